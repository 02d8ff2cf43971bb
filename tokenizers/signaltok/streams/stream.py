"""A stream: how one tokenizer's codes stand in a vocabulary: sizes, grids, pattern, clock.

A level of more than 65,536 codes (lookup-free codes of 18 bits) is written as several digits, the highest first, each a
row of its own: 2^18 codes become two digits of 512.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from signaltok.streams.pairs import Pairs
from signaltok.streams.patterns import Pattern
from signaltok.streams.run_length import RunLength

WIDEST_ROW = 65_536
WIDEST_LEVEL = 2**62  # a store holds less
LARGEST = {"audio": (2**32 - 1,), "image": (65_535, 65_535), "video": (2**24 - 1, 65_535, 65_535)}
Share = tuple[int, int]
Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One digit of a level: size values, each worth `weight` codes; a level of up to 65,536 codes is one row."""

    name: str
    level: int
    size: int
    weight: int


@dataclass(frozen=True)
class Stream:
    """One tokenizer's codes.

    strides, shares: of each level against the signal, as in a TokenStack; shares None: all whole. lead: positions that
    the first cells lack on each axis, as there; None: none.
    grids: "signal": they follow from the signal's size; "tokens": sequences over a number of tokens that the header
    of a block says; "explicit": the header says every extent. largest: the greatest size of a signal on each axis, then
    of what `grids` adds to the header; it decides how many digits a size has and what may be sampled.
    rate: positions a second along the first axis, None where there is no time. shared: all rows in one block of ids.
    row_ends: a marker after each line of a picture. frames: a marker before each moment. time_stamps: the time before
    that marker. transform: of the line of codes; None: none.
    """

    name: str
    modality: str
    fingerprint: str
    codebook_sizes: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    shares: tuple[Share, ...] | None
    grids: str
    largest: Numbers
    rate: Fraction | None
    pattern: Pattern
    shared: bool
    row_ends: bool
    frames: bool
    time_stamps: bool
    transform: RunLength | Pairs | None
    lead: Numbers | None = None

    def __post_init__(self) -> None:
        levels, where = len(self.codebook_sizes), f"the stream {self.name!r}"
        if not self.name.isidentifier():
            raise ValueError(f"{where} needs a name of letters, digits and _")
        if not levels:
            raise ValueError(f"{where} has no levels: its tokenizer has no codes")
        if len(self.strides) != levels or (self.shares is not None and len(self.shares) != levels):
            raise ValueError(
                f"{where} has {levels} codebook sizes, but {len(self.strides)} strides, {self.shares} shares"
            )
        if self.lead is not None and (self.grids != "signal" or len(self.lead) != len(self.strides[0])):
            raise ValueError(f"{where}: lead={self.lead} is of grids that follow from the signal, a number an axis")
        if self.lead is not None and any(
            n >= min(column) for n, column in zip(self.lead, zip(*self.strides, strict=True), strict=True)
        ):
            raise ValueError(f"{where}: a lead of {self.lead} leaves the first cells of strides {self.strides} nothing")
        if len({len(stride) for stride in self.strides}) != 1 or min(map(min, self.strides)) < 1:
            raise ValueError(f"{where}: the strides {self.strides} are not of the same axes, or below 1")
        for size in self.codebook_sizes:
            if not 1 <= size <= WIDEST_LEVEL:
                raise ValueError(f"{where} has a level of {size} codes; a level holds 1 to {WIDEST_LEVEL}")
        self.pattern.check_levels(levels)
        if self.grids not in ("signal", "tokens", "explicit"):
            raise ValueError(f"{where}: grids are signal, tokens or explicit, not {self.grids!r}")
        if self.signal_axes < (0 if self.grids == "explicit" else 1) or min(self.largest) < 0:
            raise ValueError(f"{where}: largest={self.largest} has to say a limit for each size in the header")
        if self.grids == "signal" and self.signal_axes != self.axes:
            raise ValueError(f"{where}: signals of {self.signal_axes} axes and strides of {self.axes}")
        if self.row_ends and self.axes < 2:
            raise ValueError(f"{where} has no lines to end: its levels have {self.axes} axis")
        if self.time_stamps and (self.rate is None or not self.frames):
            raise ValueError(f"{where}: time stamps need a rate, and frames to stand at")
        if self.transform is not None:
            if self.row_ends or self.frames:
                raise ValueError(f"{where}: transformed codes have no places for markers")
            self.transform.check(self)

    @cached_property
    def axes(self) -> int:
        """Axes of the levels."""
        return len(self.strides[0])

    @cached_property
    def _added(self) -> int:
        """How many sizes the header has beyond the signal's."""
        return {"signal": 0, "tokens": 1, "explicit": len(self.codebook_sizes) * self.axes}[self.grids]

    @cached_property
    def signal_axes(self) -> int:
        """Axes of the signal; 0 where the codes have none that anybody knows."""
        return len(self.largest) - self._added

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The levels, as one row or several digits each."""
        rows = []
        for level, size in enumerate(self.codebook_sizes):
            digits = max(1, -(-(size - 1).bit_length() // 16))
            base = size if digits == 1 else 2 ** -(-(size - 1).bit_length() // digits)
            for digit in range(digits):
                weight = base ** (digits - 1 - digit)
                name = f"{self.name}/{level}" + (f".{digit}" if digits > 1 else "")
                top = -(-size // weight) if digit == 0 else base
                rows.append(Row(name=name, level=level, size=top, weight=weight))
        return tuple(rows)

    def grid_sizes(self, numbers: Numbers) -> tuple[tuple[int, ...], ...]:
        """The grid of each level from the numbers of a header."""
        size, added = numbers[: self.signal_axes], numbers[self.signal_axes :]
        if self.grids == "explicit":
            return tuple(tuple(added[q * self.axes : (q + 1) * self.axes]) for q in range(len(self.codebook_sizes)))
        extent = added if self.grids == "tokens" else self.led(size)
        return tuple(
            tuple(-(-(-(-n // step) * kept) // of) for n, step in zip(extent, stride, strict=True))
            for stride, (kept, of) in zip(self.strides, self.whole_shares, strict=True)
        )

    def led(self, size: Numbers) -> Numbers:
        """The size with what the first cells lack; a signal of no positions has no cells either."""
        return size if self.lead is None else tuple(n and n + b for n, b in zip(size, self.lead, strict=True))

    @cached_property
    def whole_shares(self) -> tuple[Share, ...]:
        """shares, (1, 1) where all are whole."""
        return self.shares or ((1, 1),) * len(self.codebook_sizes)

    def numbers(self, shapes: tuple[tuple[int, ...], ...], signal_size: tuple[int, ...]) -> Numbers:
        """The numbers of the header. ValueError where the shapes of the levels do not follow from them."""
        if len(shapes) != len(self.codebook_sizes) or len(signal_size) != self.signal_axes:
            raise ValueError(
                f"the stream {self.name!r} has {len(self.codebook_sizes)} levels, signals of {self.signal_axes} axes; "
                f"got {len(shapes)} levels of a signal of size {signal_size}"
            )
        added: Numbers = ()
        if self.grids == "explicit":
            added = tuple(extent for shape in shapes for extent in shape)
        elif self.grids == "tokens":
            added = (self._tokens(shapes),)
        numbers = (*signal_size, *added)
        if len(numbers) != len(self.largest) or self.grid_sizes(numbers) != shapes:
            raise ValueError(
                f"the stream {self.name!r}: a signal of size {signal_size} has no levels of shapes {shapes}"
            )
        if any(n < 0 or n > most for n, most in zip(numbers, self.largest, strict=True)):
            raise ValueError(f"the stream {self.name!r} takes sizes up to {self.largest}, got {numbers}")
        return numbers

    def _tokens(self, shapes: tuple[tuple[int, ...], ...]) -> int:
        """Of how many tokens levels of these shapes are: all of them where that fits, else the least that does."""
        whole = self.largest[-1]
        if self.grid_sizes((*(0,) * self.signal_axes, whole)) == shapes:
            return whole
        return min(shapes[0][0] * self.strides[0][0], whole)

    def to_json(self) -> dict[str, Any]:
        """Plain data; from_json is its inverse."""
        return {
            "name": self.name,
            "modality": self.modality,
            "fingerprint": self.fingerprint,
            "codebook_sizes": list(self.codebook_sizes),
            "strides": [list(stride) for stride in self.strides],
            "shares": None if self.shares is None else [list(share) for share in self.shares],
            "grids": self.grids,
            "largest": list(self.largest),
            "rate": None if self.rate is None else [self.rate.numerator, self.rate.denominator],
            "raster": "last axis fastest",
            "pattern": {"kind": self.pattern.kind, "shifts": list(self.pattern.shifts)},
            "shared": self.shared,
            "row_ends": self.row_ends,
            "frames": self.frames,
            "time_stamps": self.time_stamps,
            "transform": None if self.transform is None else self.transform.to_json(),
            # Absent where there is none, as in older vocabularies: a vocabulary's hash is its identity.
            **({} if self.lead is None else {"lead": list(self.lead)}),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Stream":
        """The inverse of to_json. KeyError or TypeError where something is missing."""
        rate, shares, transform = content["rate"], content["shares"], content["transform"]
        kinds = {"run_length": RunLength, "pairs": Pairs}
        return cls(
            name=content["name"],
            modality=content["modality"],
            fingerprint=content["fingerprint"],
            codebook_sizes=tuple(content["codebook_sizes"]),
            strides=tuple(tuple(stride) for stride in content["strides"]),
            shares=None if shares is None else tuple((kept, of) for kept, of in shares),
            grids=content["grids"],
            largest=tuple(content["largest"]),
            rate=None if rate is None else Fraction(*rate),
            pattern=Pattern(content["pattern"]["kind"], tuple(content["pattern"]["shifts"])),
            shared=content["shared"],
            row_ends=content["row_ends"],
            frames=content["frames"],
            time_stamps=content["time_stamps"],
            transform=None if transform is None else kinds[transform["kind"]].from_json(transform),
            lead=tuple(content["lead"]) if "lead" in content else None,
        )


def stream_of(header: Mapping[str, Any], *, name: str | None = None, pattern: Pattern | None = None) -> Stream:
    """The stream of a tokenizer, from its exported config.json or a store's header; change it by dataclasses.replace.

    Codes that no tokenizer of ours made take the same entries: fingerprint, modality, codebook_sizes, strides, and
    where they hold shares, sequence_length, sample_rate, lead. name: the modality where None. pattern: flatten where
    None.
    """
    modality, strides = header["modality"], tuple(tuple(stride) for stride in header["strides"])
    shares, tokens = header.get("shares"), header.get("sequence_length")
    if modality not in LARGEST and tokens is not None:
        raise ValueError(f"{modality!r} is none of {', '.join(LARGEST)}: build the Stream yourself, with its limits")
    # A signal of another kind than these three has the axes of its strides, and sizes of two digits.
    largest = LARGEST[modality] if modality in LARGEST else (65_535,) * len(strides[0])
    if header.get("runs"):  # as many tokens as the header of a block says, at most one a position
        return _of_runs(header, modality if name is None else name, largest, pattern)
    sample_rate = header.get("sample_rate")
    return Stream(
        name=modality if name is None else name,
        modality=modality,
        fingerprint=header["fingerprint"],
        codebook_sizes=tuple(header["codebook_sizes"]),
        strides=strides,
        shares=None if shares is None else tuple((kept, of) for kept, of in shares),
        grids="signal" if tokens is None else "tokens",
        largest=largest if tokens is None else (*largest, tokens),
        rate=None if sample_rate is None else Fraction(sample_rate),
        pattern=Pattern("flatten") if pattern is None else pattern,
        shared=False,
        row_ends=False,
        frames=modality == "video" and tokens is None,
        time_stamps=False,
        transform=None,
        lead=tuple(header["lead"]) if header.get("lead") is not None else None,
    )


def stream_names(modalities: Sequence[str]) -> list[str]:
    """A name for a stream of each modality, in order: the modality, and of a second one image_2."""
    return [
        modality + (f"_{1 + earlier}" if (earlier := modalities[:number].count(modality)) else "")
        for number, modality in enumerate(modalities)
    ]


def _of_runs(header: Mapping[str, Any], name: str, largest: Numbers, pattern: Pattern | None) -> Stream:
    plain = stream_of({key: value for key, value in header.items() if key != "runs"}, name=name, pattern=pattern)
    return replace(plain, grids="explicit", largest=(*largest, *largest), rate=None)


def transformed(stream: Stream, transform: RunLength | Pairs) -> Stream:
    """The stream with its line of codes transformed; markers, for which there is no place then, are left out."""
    return replace(stream, transform=transform, row_ends=False, frames=False, time_stamps=False)


def digits_of(most: int) -> int:
    """How many digits to the base 256 write the numbers from 0 to most."""
    return max(1, math.ceil(most.bit_length() / 8))
