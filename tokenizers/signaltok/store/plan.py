"""What a store holds and how it is cut: the header, the items, and the plan of the shards.

The plan is a function of the keys and the shard size alone: sorted keys, cut into runs of n. A shard is the unit of
resuming and of atomicity.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

FORMAT_VERSION = 1
WIDEST_LEVEL = 2**32  # codes are stored in at most four bytes


@dataclass(frozen=True)
class Header:
    """Whose codes a store holds: the tokenizer's identity and what is needed to read the codes without it.

    shares: of each level (kept, of), for grids that no whole stride gives; None where all are whole.
    probe: SHA-256 of the codes of a few built-in signals, read and encoded as the files were: what the fingerprint
    cannot know, such as another resampler or another machine's rounding. None where nobody measured it.
    runs: whether the one level is of variable length, its tokens with spans. Raises ValueError for a level of more
    codes than are stored.
    """

    fingerprint: str
    modality: str
    codebook_sizes: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    value_range: tuple[float, float]
    shares: tuple[tuple[int, int], ...] | None = None
    sequence_length: int | None = None  # in tokens, where the levels are sequences; None where grids follow the size
    sample_rate: int | None = None  # positions a second along the first axis: of sounds, of videos
    channels: int | None = None  # of the signals; None where nobody said
    probe: str | None = None
    runs: bool = False
    lead: tuple[int, ...] | None = None  # positions that the first cell lacks on each axis, where it lacks any

    def __post_init__(self) -> None:
        for level, size in enumerate(self.codebook_sizes):
            if not 1 <= size <= WIDEST_LEVEL:
                raise ValueError(f"level {level} has {size} codes; a store holds levels of 1 to {WIDEST_LEVEL}")

    @property
    def axes(self) -> int:
        """Number of axes of the levels: those of the signal, or one of a sequence of tokens."""
        return len(self.strides[0])

    def tokens_of(self, item: "Item") -> int | None:
        """Over how many tokens the levels of an item are, fewer than all where it was shortened; None for grids."""
        shortens = self.sequence_length is not None and all(stride == (1,) for stride in self.strides)
        return item.levels[0].shape[0] if shortens else self.sequence_length

    def to_json(self) -> dict[str, Any]:
        """Plain data, as it stands in side files and index."""
        return {
            "fingerprint": self.fingerprint,
            "modality": self.modality,
            "codebook_sizes": list(self.codebook_sizes),
            "strides": [list(stride) for stride in self.strides],
            "value_range": list(self.value_range),
            **({} if self.shares is None else {"shares": [list(share) for share in self.shares]}),
            **({} if self.sequence_length is None else {"sequence_length": self.sequence_length}),
            **({} if self.sample_rate is None else {"sample_rate": self.sample_rate}),
            **({} if self.channels is None else {"channels": self.channels}),
            **({} if self.lead is None else {"lead": list(self.lead)}),
            **({} if self.probe is None else {"probe": self.probe}),
            **({"runs": True} if self.runs else {}),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Header":
        """The inverse of to_json; KeyError or TypeError where something is missing."""
        low, high = content["value_range"]
        return cls(
            fingerprint=content["fingerprint"],
            modality=content["modality"],
            codebook_sizes=tuple(content["codebook_sizes"]),
            strides=tuple(tuple(stride) for stride in content["strides"]),
            value_range=(low, high),
            shares=tuple((kept, of) for kept, of in content["shares"]) if "shares" in content else None,
            sequence_length=content.get("sequence_length"),
            sample_rate=content.get("sample_rate"),
            channels=content.get("channels"),
            probe=content.get("probe"),
            runs=content.get("runs", False),
            lead=tuple(content["lead"]) if "lead" in content else None,
        )


@dataclass(frozen=True)
class Item:
    """The codes of one signal: an integer array [*grid] a level.

    spans: of a level of variable length, [n, 2], the signal positions [first, end) of each token; None for grids.
    """

    key: str
    levels: tuple[np.ndarray, ...]
    signal_size: tuple[int, ...]
    spans: np.ndarray | None = None


@dataclass(frozen=True)
class Failure:
    """A signal that could not be read, and why."""

    key: str
    reason: str


@dataclass(frozen=True)
class Planned:
    """The keys that belong into shard `number`, sorted."""

    number: int
    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the shard's files without their ending."""
        return f"shard-{self.number:05d}"

    @property
    def keys_hash(self) -> str:
        """A finished shard is kept only where it was planned with the same keys."""
        return hash_of_keys(self.keys)


def hash_of_keys(keys: Iterable[str]) -> str:
    """SHA-256 over sorted keys."""
    return hashlib.sha256("\0".join(keys).encode("utf-8", "surrogateescape")).hexdigest()


def plan_shards(keys: Iterable[str], shard_items: int) -> list[Planned]:
    """Sorted keys, cut into shards of shard_items. Raises ValueError for no keys, keys twice, a size below one."""
    if shard_items < 1:
        raise ValueError(f"a shard holds at least one item, got {shard_items}")
    ordered = sorted(keys)
    if not ordered:
        raise ValueError("there are no items to store")
    twice = sorted({key for key, following in pairwise(ordered) if key == following})
    if twice:
        raise ValueError(f"keys must differ, but these stand there twice: {', '.join(twice[:3])}")
    starts = range(0, len(ordered), shard_items)
    return [Planned(n, tuple(ordered[start : start + shard_items])) for n, start in enumerate(starts)]
