"""Byte-pair encoding over codes (Gage 1994; Sennrich et al. 2016): the commonest pair becomes an id, again and again.

Local ids: the symbols 0 to n - 1 (all rows of a stream, one after the other), then one a merge. Exact and reversible.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from signaltok.streams.stream import Stream

BORDER = -1  # between two sequences, in no pair


@dataclass(frozen=True)
class Pairs:
    """merges: (left, right) of each new id, in the order in which they are made. symbols: ids that are no merge."""

    symbols: int
    merges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        for number, pair in enumerate(self.merges):
            if not all(0 <= part < self.symbols + number for part in pair):
                raise ValueError(f"merge {number} is of {pair}, but there are {self.symbols + number} ids before it")

    def check(self, stream: "Stream") -> None:
        """ValueError where the stream has other symbols than were merged, or codes of several digits."""
        if len(stream.rows) > len(stream.codebook_sizes):
            raise ValueError(f"the stream {stream.name!r} has codes of several digits, which are not merged")
        symbols = sum(row.size for row in stream.rows)
        if symbols != self.symbols:
            raise ValueError(f"the stream {stream.name!r} has {symbols} symbols, the merges are over {self.symbols}")

    def blocks(self, size: int) -> list[tuple[str, int]]:
        """Names and sizes of the blocks, in the order of the local ids."""
        return [("codes", size), ("pairs", len(self.merges))]

    @cached_property
    def expansions(self) -> tuple[np.ndarray, ...]:
        """The symbols that each merge stands for."""
        found: list[np.ndarray] = []
        for pair in self.merges:
            found.append(np.concatenate([np.array([p]) if p < self.symbols else found[p - self.symbols] for p in pair]))
        return tuple(found)

    def forward(self, codes: np.ndarray, size: int) -> np.ndarray:
        """symbols int64 [n] -> ids int64 [m], m <= n."""
        assert size == self.symbols, "check has compared them"
        ids = codes
        for number, (left, right) in enumerate(self.merges):
            ids = _merged(ids, left, right, self.symbols + number)
        return ids

    def backward(self, ids: np.ndarray, size: int) -> np.ndarray:
        """The inverse."""
        lengths = self.lengths(size)[ids]
        symbols = np.empty(int(lengths.sum()), np.int64)
        starts = np.cumsum(lengths) - lengths
        plain = ids < size
        symbols[starts[plain]] = ids[plain]
        for merge in np.unique(ids[~plain]):
            expansion = self.expansions[merge - size]
            symbols[starts[ids == merge][:, None] + np.arange(len(expansion))] = expansion
        return symbols

    def lengths(self, size: int) -> np.ndarray:
        """int64 [size + merges]: how many symbols an id stands for."""
        return np.concatenate([np.ones(size, np.int64), np.array([len(e) for e in self.expansions], np.int64)])

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": "pairs", "symbols": self.symbols, "merges": [list(pair) for pair in self.merges]}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Pairs":
        """The inverse of to_json."""
        return cls(symbols=content["symbols"], merges=tuple((left, right) for left, right in content["merges"]))


def learn_pairs(lines: Iterable[np.ndarray], *, symbols: int, merges: int) -> Pairs:
    """At most so many merges; fewer where no pair stands twice. Of equally common pairs the smallest is taken.

    lines: int64 [n] each, 0 <= symbol < symbols. No pair reaches over the end of a line; overlapping
    pairs count as two. A merge reads all lines once.
    """
    parts = [part for line in lines for part in (line.astype(np.int64), np.array([BORDER]))]
    ids = np.concatenate([np.zeros(0, np.int64), *parts])
    if len(ids) and (ids.max() >= symbols or ids.min() < BORDER):
        raise ValueError(f"the lines hold symbols outside 0 to {symbols - 1}")
    learned: list[tuple[int, int]] = []
    while len(learned) < merges:
        width = symbols + len(learned)
        inside = (ids[:-1] != BORDER) & (ids[1:] != BORDER)
        values, counts = np.unique(ids[:-1][inside] * width + ids[1:][inside], return_counts=True)
        if not len(counts) or counts.max() < 2:
            break
        left, right = divmod(int(values[counts.argmax()]), width)
        ids = _merged(ids, left, right, width)
        learned.append((left, right))
    return Pairs(symbols=symbols, merges=tuple(learned))


def _merged(ids: np.ndarray, left: int, right: int, new: int) -> np.ndarray:
    """ids with every pair (left, right) replaced, from the left, none of them overlapping."""
    found = np.flatnonzero((ids[:-1] == left) & (ids[1:] == right))
    if left == right and len(found):
        # Of a run of equal symbols every second place begins a pair.
        first = np.concatenate([[True], np.diff(found) > 1])
        start = found[first][np.cumsum(first) - 1]
        found = found[(found - start) % 2 == 0]
    if not len(found):
        return ids
    kept = np.ones(len(ids), bool)
    kept[found + 1] = False
    ids = ids.copy()
    ids[found] = new
    return ids[kept]
