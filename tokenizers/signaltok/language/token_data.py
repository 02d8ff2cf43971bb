"""Token stores as the data of a language model: one stream of ids a split, and windows of it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from signaltok.data.order import EvaluationShare, RunOrder
from signaltok.data.split import SPLITS, Split
from signaltok.language.documents import SPLIT_RULE, Told, read_texts, told_items
from signaltok.language.token_batch import TokenBatch
from signaltok.store.index import Store, read_store
from signaltok.streams.grammar import Grammar
from signaltok.streams.patterns import Pattern
from signaltok.streams.stream import LARGEST, stream_names, stream_of
from signaltok.streams.vocabulary import Vocabulary

PADDING = -1  # in TokenBatch.segments


@dataclass(frozen=True)
class TokenSplit:
    """ids, segments [n] of all documents, one after the other. starts: where each begins.

    codes, dimensions: by stream, how many codes there are, and how many values (pixels or samples times channels) the
    signals have that they stand for; None where nobody said how many channels.
    """

    ids: np.ndarray
    segments: np.ndarray
    starts: np.ndarray
    codes: dict[str, int]
    dimensions: dict[str, int | None]


class TokenData:
    """The ids of one or several stores, text among them, by split.

    store: a folder, or several, in the vocabulary's order; streams are called by their modality. texts: by stream, a
    file of lines "key TAB text", put before the codes. pieces: by stream, cells on each axis that signals are cut
    into; whole ones where it is not named. pattern: order of the levels. weights: by stream, or of text or structure,
    how much an id counts in the training loss, 1 where it is not named. context: ids that a model looks at. All ids are
    in memory, four bytes each. ValueError for what is not there or does not fit.
    """

    def __init__(
        self,
        *,
        store: str | list[str],
        texts: dict[str, str],
        pieces: dict[str, list[int]],
        pattern: str,
        weights: dict[str, float],
        context: int,
        batch_size: int,
        eval_batch_size: int,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size), ("context", context)):
            if value < 1:
                raise ValueError(f"data.{name} is {value}; it must be 1 or more")
        folders = [store] if isinstance(store, str) else store
        if not folders:
            raise ValueError("data.store is empty; give a token store, or several: data.store=[PHOTOS,SPEECH]")
        self.stores = [read_store(folder) for folder in folders]
        self.context, self.batch_size, self.eval_batch_size = context, batch_size, eval_batch_size
        self.pattern, self.pieces = pattern, pieces
        self.vocabulary = Vocabulary(tuple(_streams(self.stores, pattern)))
        self.grammar = Grammar(self.vocabulary)
        names = [stream.name for stream in self.vocabulary.streams]
        for group, given in (("texts", texts), ("pieces", pieces)):
            # A modality of which there is no store is passed over, so that a config serves several choices of them.
            if given.keys() - {*names, *LARGEST}:
                unknown = ", ".join(sorted(given.keys() - set(names)))
                raise ValueError(f"data.{group} names {unknown}, but the stores give {', '.join(names)}")
        self.kinds = ("structure", "text", *names)
        for name, weight in weights.items():
            if name not in {*self.kinds, *LARGEST} or not weight > 0:
                raise ValueError(f"data.weights.{name} is {weight}; weights are above 0, of {', '.join(self.kinds)}")
        self.weights = torch.tensor([float(weights.get(kind, 1)) for kind in self.kinds])
        self.texts = {name: read_texts(Path(path)) for name, path in texts.items() if name in names}
        told = [entry for name, own in zip(names, self.stores, strict=True) for entry in self._told(name, own)]
        # In an order of its own for each document, so that windows hold documents of all streams.
        told.sort(key=lambda entry: hashlib.md5(entry.key.encode("utf-8", "surrogateescape")).digest())
        self.told = {split: [entry for entry in told if entry.split == split] for split in SPLITS}
        self.splits = {split: self._split(split) for split in SPLITS}

    def _told(self, name: str, store: Store) -> Iterator[Told]:
        stream = self.vocabulary.stream(name)
        return told_items(store, stream, texts=self.texts.get(name, {}), piece=self.pieces.get(name))

    def _split(self, split: Split) -> TokenSplit:
        ids, segments, starts, length = [], [], [], 0
        names = [stream.name for stream in self.vocabulary.streams]
        channels = {name: store.header.channels for name, store in zip(names, self.stores, strict=True)}
        codes, positions = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        for entry in self.told[split]:
            own, kinds = self.rendered(entry)
            ids.append(own)
            segments.append(kinds)
            starts.append(length)
            length += len(own)
            codes[entry.signal.stream] += sum(level.size for level in entry.signal.levels)
            positions[entry.signal.stream] += prod(entry.signal.signal_size)
        if length <= self.context:
            raise ValueError(
                f"the {split} split has {length} ids, which is no window of data.context + 1 = {self.context + 1}; "
                "tokenize more files, or take a smaller context"
            )
        known = {name: None if (count := channels[name]) is None else positions[name] * count for name in names}
        return TokenSplit(np.concatenate(ids), np.concatenate(segments), np.array(starts), codes, known)

    def rendered(self, entry: Told) -> tuple[np.ndarray, np.ndarray]:
        """int32 ids and int8 segments [n] of a document."""
        control = self.vocabulary.control
        parts = [(0, np.array([control["bos"]])), *self.grammar.segments(entry.document)]
        parts.append((0, np.array([control["eos"]])))
        ids = np.concatenate([own for _, own in parts]).astype(np.int32)
        return ids, np.concatenate([np.full(len(own), kind, np.int8) for kind, own in parts])

    def train_loader(
        self, *, seed: int, num_batches: int, start_batch: int, rank: int, world: int
    ) -> Iterator[TokenBatch]:
        """Windows of context + 1 ids at places that are a function of seed and number alone."""
        order = RunOrder(
            batch_size=self.batch_size, num_batches=num_batches, start_batch=start_batch, rank=rank, world=world
        )
        for numbers in order:
            yield self.windows("train", [self._place(seed, number) for number in numbers])

    def _place(self, seed: int, number: int) -> int:
        drawn = int.from_bytes(hashlib.blake2b(f"{seed} {number}".encode(), digest_size=8).digest(), "little")
        return drawn % (len(self.splits["train"].ids) - self.context)

    def eval_loader(self, split: Split, *, rank: int, world: int) -> Iterator[TokenBatch]:
        """Windows one after the other, so that every id of the split but the first is predicted once."""
        starts = range(0, len(self.splits[split].ids) - 1, self.context)
        share = EvaluationShare(items=len(starts), batch_size=self.eval_batch_size, rank=rank, world=world)
        for numbers in share:
            yield self.windows(split, [starts[number] for number in numbers])

    def windows(self, split: Split, starts: Sequence[int]) -> TokenBatch:
        """context + 1 ids from each place on, padded behind the end of the split."""
        own, width = self.splits[split], self.context + 1
        ids = np.full((len(starts), width), self.vocabulary.control["pad"], np.int64)
        segments = np.full((len(starts), width), PADDING, np.int64)
        for row, start in enumerate(starts):
            taken = own.ids[start : start + width]
            ids[row, : len(taken)] = taken
            segments[row, : len(taken)] = own.segments[start : start + width]
        return TokenBatch(torch.from_numpy(ids), torch.from_numpy(segments))

    def fingerprint(self) -> str:
        """A hash over the stores' shards, the vocabulary, the texts and the rules by which documents are made."""
        found = hashlib.sha256(self.vocabulary.identity.encode())
        for shard in (shard for store in self.stores for shard in store.shards):
            found.update(shard["sha256"].encode())
        found.update(repr((sorted(self.texts.items()), sorted(self.pieces.items()), SPLIT_RULE)).encode())
        return f"contents:{found.hexdigest()}"

    def describe(self) -> dict[str, Any]:
        """Plain data for the record of a run."""
        return {
            "stores": [str(store.folder) for store in self.stores],
            "vocabulary": self.vocabulary.identity,
            "split_rule": SPLIT_RULE,
            "documents": {split: len(own.starts) for split, own in self.splits.items()},
            "ids": {split: len(own.ids) for split, own in self.splits.items()},
            "codes": {split: own.codes for split, own in self.splits.items()},
        }


def _streams(stores: Sequence[Store], pattern: str) -> Iterator[Any]:
    names = stream_names([store.header.modality for store in stores])
    for name, store in zip(names, stores, strict=True):
        levels = len(store.header.codebook_sizes)
        shifts: Mapping[str, tuple[int, ...]] = {"delay": tuple(range(levels))}
        yield stream_of(store.header.to_json(), name=name, pattern=Pattern(pattern, shifts.get(pattern, ())))
