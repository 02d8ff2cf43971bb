"""Turn token stores into a data set of ids for a language-model trainer, with the vocabulary that explains them."""

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from safetensors.numpy import load

from signaltok.cli.console import progress_bar, say
from signaltok.cli.stream_choices import add_choices, external_text, transformed_streams
from signaltok.files import read_json
from signaltok.store.datasets.export import FORMATS, export_dataset
from signaltok.store.datasets.writer import LOSSES
from signaltok.store.index import Store, read_store
from signaltok.streams.embedding import embedding_rows
from signaltok.streams.errors import TokenDataError
from signaltok.streams.patterns import KINDS, Pattern
from signaltok.streams.stream import Stream, stream_names, stream_of
from signaltok.streams.vocabulary import Vocabulary

EMBEDDING_SCALE = 0.02  # of GPT-2's embedding
PATTERNS = [kind for kind in KINDS if kind != "partial"]  # whose groups no default could know


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok stream` takes."""
    parser.add_argument("stores", type=Path, nargs="+", metavar="STORE", help="token stores, in the vocabulary's order")
    parser.add_argument("--out", type=Path, required=True, metavar="DATASET", help="a new folder")
    parser.add_argument("--format", required=True, choices=FORMATS, help="the layout")
    parser.add_argument("--pattern", default="flatten", choices=PATTERNS, help="order of the levels (default flatten); "
                        "the delay of level q is q")  # fmt: skip
    parser.add_argument("--interleave", action="store_true", help="the items of one key (of a video, its pictures and "
                        "its sound) become one document, interleaved by time")  # fmt: skip
    parser.add_argument("--row-ends", action="store_true", help="a marker after each line of a picture")
    parser.add_argument("--texts", type=Path, metavar="FOLDER", help="with a/b.txt for the item a/b.png, put before "
                        "its codes")  # fmt: skip
    add_choices(parser)
    parser.add_argument("--validation", type=float, default=0.0, metavar="SHARE", help="of the items (default 0)")
    parser.add_argument("--embedding", type=int, metavar="DIM", help="also write rows of this width, from the books "
                        "of the tokenizers, to begin a language model's embedding from")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of those rows (default 0)")
    parser.add_argument("--loss", default="all", choices=LOSSES, help="ids to train on, where the layout says it")


def run(options: argparse.Namespace) -> int:
    """Write the data set."""
    stores = [read_store(folder) for folder in options.stores]
    text = external_text(options)
    streams = transformed_streams(_streams(stores, options), stores, options)
    vocabulary = Vocabulary(tuple(streams), external_text=text.rows)
    with progress_bar("stream", sum(map(len, stores))) as progress:
        told = export_dataset(
            [(stream.name, store) for stream, store in zip(streams, stores, strict=True)],
            vocabulary,
            options.out,
            layout=options.format,
            validation=options.validation,
            loss=options.loss,
            text_of=None if options.texts is None else lambda key: text.of(_text(options.texts, key)),
            embedding=None if options.embedding is None else _embedding(vocabulary, stores, options),
            interleave=options.interleave,
            advance=lambda count: progress.advance(progress.task_ids[0], count),
            join=options.join,
            notes=text.notes,
        )
    for split, count in told["documents"].items():
        say(f"{split}: {count} documents, {told['ids'][split]} ids in {options.out}")
    say(f"vocabulary: {vocabulary.size} ids, padded to {vocabulary.padded_size}; {vocabulary.identity}")
    failed = sum(entry["failures"] for entry in told["stores"])
    if failed:
        say(f"{failed} items are in no document: they could not be read when they were tokenized")
    return 0


def _streams(stores: list[Store], options: argparse.Namespace) -> list[Stream]:
    """One a store, called by its modality; a second of one modality is image_2."""
    found: list[Stream] = []
    for name, store in zip(stream_names([store.header.modality for store in stores]), stores, strict=True):
        levels = len(store.header.codebook_sizes)
        pattern = Pattern(options.pattern, tuple(range(levels)) if options.pattern == "delay" else ())
        stream = stream_of(store.header.to_json(), name=name, pattern=pattern)
        found.append(
            replace(
                stream,
                row_ends=options.row_ends and stream.axes > 1,
                time_stamps=options.interleave and stream.frames and stream.rate is not None,
            )
        )
    return found


def _embedding(vocabulary: Vocabulary, stores: list[Store], options: argparse.Namespace) -> np.ndarray:
    books = {stream.name: _books(store) for stream, store in zip(vocabulary.streams, stores, strict=True)}
    return embedding_rows(vocabulary, books, dim=options.embedding, scale=EMBEDDING_SCALE, seed=options.seed)


def _books(store: Store) -> list[np.ndarray | None]:
    """The vectors of each level as the decoder sees them, from the tokenizer that made the store."""
    origin = read_json(store.folder / "origin.json")
    folder = Path(origin["tokenizer"]) if origin else None
    config = None if folder is None else read_json(folder / "config.json")
    if folder is None or config is None:
        raise ValueError(
            f"the tokenizer that made {store.folder} is not where its origin.json says; leave out --embedding"
        )
    store.check_fingerprint(config["fingerprint"])
    content = (folder / "codebooks.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != config["files"]["codebooks.safetensors"]:
        raise TokenDataError(str(folder / "codebooks.safetensors"), "it is damaged; export the tokenizer again")
    tensors = load(content)
    return [tensors.get(f"decoded.{level}") for level in range(len(store.header.codebook_sizes))]


def _text(folder: Path, key: str) -> str:
    path = folder / PurePosixPath(key).with_suffix(".txt")
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8: {error}") from None
    except FileNotFoundError:
        raise ValueError(f"there is no {path} with the text of {key}") from None
