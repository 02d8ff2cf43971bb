"""From stores to a data set: documents, rendered, and written in a layout."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from signaltok.files import atomic_folder
from signaltok.store.datasets.datatrove import Datatrove
from signaltok.store.datasets.joined import TextOf, documents_of, joined_documents
from signaltok.store.datasets.litdata import LitData
from signaltok.store.datasets.megatron import Megatron
from signaltok.store.datasets.mixed import mixes_of
from signaltok.store.datasets.nanogpt import NanoGPT
from signaltok.store.datasets.parquet import Parquet
from signaltok.store.datasets.webdataset import WebDataset
from signaltok.store.datasets.writer import DatasetWriter, Rendered
from signaltok.store.index import Store
from signaltok.streams.documents import Document, Mix, Signal
from signaltok.streams.grammar import Grammar
from signaltok.streams.hugging_face import tokenizer_json
from signaltok.streams.patterns import ONE_ROW
from signaltok.streams.vocabulary import FILE, Vocabulary

FORMATS: dict[str, type[DatasetWriter]] = {
    "megatron": Megatron,
    "datatrove": Datatrove,
    "litdata": LitData,
    "parquet": Parquet,
    "nanogpt": NanoGPT,
    "webdataset": WebDataset,
}
NOTES, HUGGING_FACE, EMBEDDING = "stream.json", "tokenizer.json", "embedding.safetensors"


def in_validation(key: str, share: float) -> bool:
    """Whether an item is in the validation split: by its key alone, so that adding items moves no other."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def export_dataset(
    stores: Sequence[tuple[str, Store]],
    vocabulary: Vocabulary,
    out: Path,
    *,
    layout: str,
    validation: float,
    loss: str,
    text_of: TextOf | None,
    embedding: np.ndarray | None,
    interleave: bool = False,
    advance: Callable[[int], None],
    join: bool = False,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write the data set into the new folder out, with vocab.json, tokenizer.json and stream.json; what the last holds.

    stores: with the name of their stream. validation: the share of items in the split val, 0 for none. embedding: rows
    to begin a language model's from (embedding.py), None for no file of them. interleave: whether the items of one key
    are one document, by time (mixed.py). join: one document of all items of one name (joined.py). notes: what else
    stream.json is to say. The folder is there when all of it is.
    ValueError where out exists, TokenDataError where a store is damaged.
    """
    if out.exists():
        raise ValueError(f"{out} exists; give a new folder for the data set")
    if interleave and join:
        raise ValueError("items of one name are one document either by time (interleave) or one after the other (join)")
    if not 0 <= validation < 1:
        raise ValueError(f"the share of validation is 0 to 1, got {validation}")
    grammar = Grammar(vocabulary)
    splits = ("train", "val") if validation else ("train",)
    documents, ids = dict.fromkeys(splits, 0), dict.fromkeys(splits, 0)
    with atomic_folder(out) as folder, ExitStack() as opened:
        writers: dict[str, DatasetWriter] = {}
        for split in splits:
            writers[split] = FORMATS[layout](folder, split, vocabulary, loss)
            opened.callback(writers[split].opened.close)
        for key, document in _documents(stores, vocabulary, text_of, interleave=interleave, join=join):
            split = "val" if in_validation(key, validation) else "train"
            rendered = render(grammar, key, document)
            writers[split].add(rendered)
            documents[split] += 1
            ids[split] += sum(len(own) for _, own in rendered.segments)
            advance(sum(_items_in(segment) for segment in document))
        for writer in writers.values():
            writer.close()
        told = {
            "format": layout,
            "vocabulary": vocabulary.identity,
            "documents": documents,
            "ids": ids,
            "stores": [_told(name, store) for name, store in stores],
            "notes": [*_notes(FORMATS[layout], vocabulary), *notes],
        }
        (folder / FILE).write_text(json.dumps(vocabulary.to_json(), indent=2) + "\n")
        if vocabulary.external_text is None:
            (folder / HUGGING_FACE).write_text(json.dumps(tokenizer_json(vocabulary)) + "\n")
        if embedding is not None:
            (folder / EMBEDDING).write_bytes(save({"embedding": embedding}))
        (folder / NOTES).write_text(json.dumps(told, indent=2) + "\n")
    return told


def _documents(
    stores: Sequence[tuple[str, Store]], vocabulary: Vocabulary, text_of: TextOf | None, *, interleave: bool, join: bool
) -> Iterator[tuple[str, Document]]:
    if interleave:
        yield from mixes_of(stores, vocabulary, text_of=text_of)
    elif join:
        yield from joined_documents(stores, vocabulary, text_of=text_of)
    else:
        for name, store in stores:
            yield from documents_of(store, vocabulary, name, text_of=text_of)


def _items_in(segment: object) -> int:
    return len(segment.signals) if isinstance(segment, Mix) else int(isinstance(segment, Signal))


def render(grammar: Grammar, key: str, document: Document) -> Rendered:
    """A document of one segment or more, its begin and end in the first and the last."""
    control = grammar.vocabulary.control
    segments = grammar.segments(document)
    segments[0] = (segments[0][0], np.concatenate([[control["bos"]], segments[0][1]]))
    segments[-1] = (segments[-1][0], np.concatenate([segments[-1][1], [control["eos"]]]))
    return Rendered(key, tuple(segments))


def _told(name: str, store: Store) -> dict[str, Any]:
    header = store.header
    return {"stream": name, "fingerprint": header.fingerprint, "items": len(store), "failures": len(store.failures)}


def _notes(kind: type[DatasetWriter], vocabulary: Vocabulary) -> list[str]:
    rows = [f"{stream.name}: the pattern {stream.pattern.kind} has a row a level; here its steps stand one after the "
            "other, without the empty cells" for stream in vocabulary.streams
            if stream.pattern.kind not in ONE_ROW]  # fmt: skip
    return [*([kind.note] if kind.note else []), *rows]
