"""Spelling by phonemes, which a lexicon gives for each word."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from signaltok.text.spelling import Spelling


class PhonemeSpelling(Spelling):
    """A token a phoneme; words are not told apart, as they are not in speech.

    symbols: the phonemes. lexicon: lines "word TAB phonemes with spaces between", the text itself and not its place, so
    that an exported tokenizer has it and is identified by it.
    """

    def __init__(self, *, symbols: list[str], lexicon: str) -> None:
        if not symbols or len(set(symbols)) != len(symbols) or any(not s or s.split() != [s] for s in symbols):
            raise ValueError(f"symbols is {symbols}; it is each phoneme once, without spaces")
        self.symbols, self.size, self._lexicon = tuple(symbols), len(symbols), lexicon
        self._numbers = {symbol: number for number, symbol in enumerate(symbols)}

    @cached_property
    def words(self) -> dict[str, list[int]]:
        """The ids of each word of the lexicon. ValueError where a line is none of it."""
        found = {}
        for number, line in enumerate(self._lexicon.splitlines(), 1):
            word, tab, phonemes = line.partition("\t")
            unknown = [phoneme for phoneme in phonemes.split() if phoneme not in self._numbers]
            if not tab or not phonemes.split() or unknown:
                raise ValueError(
                    f"line {number} of the lexicon is {line[:60]!r}; it should be a word, a tab, and phonemes of "
                    f"spelling.symbols with spaces between{f' ({unknown[0]} is none)' if unknown else ''}"
                )
            found[word] = [self._numbers[phoneme] for phoneme in phonemes.split()]
        return found

    def ids(self, text: str) -> list[int]:
        """See Spelling."""
        missing = sorted({word for word in text.split() if word not in self.words})
        if missing:
            raise ValueError(f"the lexicon lacks {', '.join(missing)}")
        return [number for word in text.split() for number in self.words[word]]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """See Spelling."""
        return [self.symbols[number] for number in ids]

    def text(self, ids: Sequence[int]) -> str:
        """The phonemes with spaces between."""
        return " ".join(self.pieces(ids))


def by_lexicon(*, symbols: list[str], lexicon: str) -> PhonemeSpelling:
    """The spelling by the lexicon in a file. ValueError where there is none, or a line is none of it."""
    path = Path(lexicon)
    if not path.is_file():
        raise ValueError(f"there is no lexicon {path}; data/lexicon/english.tsv is one")
    spelling = PhonemeSpelling(symbols=symbols, lexicon=path.read_text(encoding="utf-8"))
    try:
        spelling.words  # noqa: B018
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return spelling
