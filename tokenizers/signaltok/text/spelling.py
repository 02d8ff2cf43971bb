"""Spellings: from a normalised text to the ids of its tokens and back.

A vocabulary of `size` tokens has the ids 0 to size - 1; the id `size` is left to the blank of CTC (Graves et al. 2006).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from signaltok.parts import Part


class Spelling(Part, ABC):
    """size: tokens of the vocabulary."""

    size: int

    @abstractmethod
    def ids(self, text: str) -> list[int]:
        """The tokens of a text. ValueError naming what it cannot write."""

    @abstractmethod
    def pieces(self, ids: Sequence[int]) -> list[str]:
        """What each token stands for."""

    @abstractmethod
    def text(self, ids: Sequence[int]) -> str:
        """The text that tokens stand for, with single spaces and none at the ends."""


class CharacterSpelling(Spelling):
    """A token a character of the text. symbols: the vocabulary, each character once."""

    def __init__(self, *, symbols: str) -> None:
        if len(set(symbols)) != len(symbols) or not symbols:
            raise ValueError(f"symbols is {symbols!r}; it is each character of the vocabulary once")
        self.symbols, self.size = symbols, len(symbols)
        self._numbers = {symbol: number for number, symbol in enumerate(symbols)}

    def ids(self, text: str) -> list[int]:
        """See Spelling."""
        unknown = sorted(set(text) - self._numbers.keys())
        if unknown:
            raise ValueError(f"the vocabulary lacks {', '.join(map(repr, unknown))}")
        return [self._numbers[symbol] for symbol in text]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """See Spelling."""
        return [self.symbols[number] for number in ids]

    def text(self, ids: Sequence[int]) -> str:
        """See Spelling."""
        return " ".join("".join(self.pieces(ids)).split())
