"""What a document is made of: text, the codes of a signal, and signals and words interleaved by time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Text:
    """ids int64 [n]: bytes of UTF-8, or an external tokenizer's ids where the vocabulary has its text so."""

    ids: np.ndarray

    @classmethod
    def of(cls, text: str) -> "Text":
        """The UTF-8 bytes of text. ValueError for a lone surrogate, which no UTF-8 holds."""
        return cls(np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64))

    def decoded(self) -> str:
        """The text. UnicodeDecodeError (a ValueError) where the bytes are no UTF-8, as a sampled text may be."""
        return self.ids.astype(np.uint8).tobytes().decode("utf-8")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and np.array_equal(self.ids, other.ids)


@dataclass(frozen=True, eq=False)
class Signal:
    """The codes of one signal of a stream (its name): an integer array [*grid] a level, and the signal's size."""

    stream: str
    levels: tuple[np.ndarray, ...]
    signal_size: tuple[int, ...]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Signal)
            and (self.stream, self.signal_size, len(self.levels))
            == (other.stream, other.signal_size, len(other.levels))
            and all(np.array_equal(a, b) for a, b in zip(self.levels, other.levels, strict=True))
        )


@dataclass(frozen=True)
class Word:
    """Text that begins at a tick of the vocabulary's clock."""

    tick: int
    text: Text


@dataclass(frozen=True)
class Mix:
    """Signals that begin at time 0 and words, interleaved by time. words: in the order of their ticks."""

    signals: tuple[Signal, ...]
    words: tuple[Word, ...]


Segment = Text | Signal | Mix
Document = Sequence[Segment]
