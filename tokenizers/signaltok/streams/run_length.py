"""Run-length coding of a line of codes: each run becomes its code and its duration; nothing is lost.

Units of speech language models are deduplicated so (Lakhotia et al. 2021, section 3); here the durations stay beside.
Local ids: the codes 0 to K - 1, then the durations 1 to longest. A longer run is several, all but the last full.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from signaltok.streams.stream import Stream


@dataclass(frozen=True)
class RunLength:
    """longest: the greatest duration, 1 or more."""

    longest: int

    def check(self, stream: "Stream") -> None:
        """ValueError where the stream has several rows, whose runs are not those of one line."""
        if self.longest < 1:
            raise ValueError(f"the longest run is 1 or more, got {self.longest}")
        if len(stream.rows) != 1:
            raise ValueError(f"the stream {stream.name!r} has {len(stream.rows)} rows; run lengths are of one")

    def blocks(self, size: int) -> list[tuple[str, int]]:
        """Names and sizes of the blocks, in the order of the local ids."""
        return [("codes", size), ("durations", self.longest)]

    def forward(self, codes: np.ndarray, size: int) -> np.ndarray:
        """codes int64 [n] -> local ids int64 [m]: code, duration, code, duration, ..."""
        units, durations = deduplicate(codes, longest=self.longest)
        return np.stack([units, size + durations - 1], axis=1).reshape(-1)

    def backward(self, ids: np.ndarray, size: int) -> np.ndarray:
        """The inverse. ValueError for what forward gives for no codes."""
        if len(ids) % 2 or (ids[0::2] >= size).any() or (ids[1::2] < size).any():
            raise ValueError("codes and durations do not take turns")
        units, durations = ids[0::2], ids[1::2] - size + 1
        if ((units[1:] == units[:-1]) & (durations[:-1] < self.longest)).any():
            raise ValueError("one run is written as two")
        return np.repeat(units, durations)

    def lengths(self, size: int) -> np.ndarray:
        """int64 [size + longest]: how many codes an id stands for; a code for none, its duration counts them."""
        return np.concatenate([np.zeros(size, np.int64), np.arange(1, self.longest + 1)])

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": "run_length", "longest": self.longest}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "RunLength":
        """The inverse of to_json."""
        return cls(longest=content["longest"])


def deduplicate(codes: np.ndarray, *, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """(units, durations), int64 [m] each, durations 1 to longest; np.repeat(units, durations) gives codes [n] back."""
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]])) if len(codes) else np.zeros(0, np.int64)
    runs = np.diff(np.append(starts, len(codes)))
    pieces = -(-runs // longest)
    units = np.repeat(codes[starts].astype(np.int64), pieces)
    durations = np.full(len(units), longest, np.int64)
    durations[np.cumsum(pieces) - 1] = runs - (pieces - 1) * longest
    return units, durations
