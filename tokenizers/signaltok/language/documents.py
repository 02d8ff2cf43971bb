"""The documents that a language model reads: every item of every store, with its text, cut into pieces where asked."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from signaltok.data.audio_folder import normalised, read_transcripts
from signaltok.data.split import Split, split_of
from signaltok.store.index import Store
from signaltok.streams.documents import Document, Signal, Text
from signaltok.streams.stream import Stream

SPLIT_RULE = "MD5 of the normalised text, of the key where there is none, modulo 10: 0 test, 1 val, the rest train"


@dataclass(frozen=True)
class Told:
    """One document of a split: its key (of a piece, its place behind it), its text where it has one, its signal."""

    key: str
    split: Split
    text: str | None
    signal: Signal

    @property
    def document(self) -> Document:
        """The text, then the signal."""
        return [self.signal] if self.text is None else [Text.of(self.text), self.signal]


def read_texts(path: Path) -> dict[str, str]:
    """Key -> text, of lines "key TAB text". ValueError where there is no such file, or a line has no tab."""
    if not path.is_file():
        raise ValueError(f"there is no {path}; data.texts names a file of lines 'key TAB text' for a stream")
    return read_transcripts(path)


def told_items(
    store: Store, stream: Stream, *, texts: Mapping[str, str], piece: Sequence[int] | None
) -> Iterator[Told]:
    """Every item of a store in the order of its keys. piece: cells on each axis of what a signal is cut into.

    An item's pieces are in its split, and have no text, which is of the whole. ValueError as of pieces.
    """
    for item in store:
        text = texts.get(item.key)
        split = split_of(item.key if text is None else normalised(text))
        whole = Signal(stream.name, item.levels, item.signal_size)
        if piece is None:
            yield Told(item.key, split, text, whole)
            continue
        for place, signal in pieces(stream, whole, piece):
            yield Told(f"{item.key}@{','.join(map(str, place))}", split, None, signal)


def pieces(stream: Stream, signal: Signal, cells: Sequence[int]) -> Iterator[tuple[tuple[int, ...], Signal]]:
    """(first cell, piece) in raster order: all codes, each once; pieces at the end of an axis may be smaller.

    ValueError where the levels do not lie on one grid that follows from the signal's size.
    """
    if stream.grids != "signal" or len(set(stream.strides)) > 1 or stream.shares is not None:
        raise ValueError(f"the levels of {stream.name!r} do not lie on one grid; leave it out of data.pieces")
    if len(cells) != stream.axes or min(cells) < 1:
        raise ValueError(f"data.pieces.{stream.name} is {list(cells)}; give {stream.axes} numbers of cells, 1 or more")
    stride, grid = stream.strides[0], signal.levels[0].shape
    for first in itertools.product(*(range(0, extent, step) for extent, step in zip(grid, cells, strict=True))):
        where = tuple(slice(a, a + n) for a, n in zip(first, cells, strict=True))
        size = tuple(
            min((a + n) * s, whole) - a * s
            for a, n, s, whole in zip(first, cells, stride, signal.signal_size, strict=True)
        )
        yield first, Signal(stream.name, tuple(np.ascontiguousarray(level[where]) for level in signal.levels), size)
