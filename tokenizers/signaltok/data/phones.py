"""Time-stamped phones of a folder of sounds: phones.tsv, a line "file TAB start TAB end TAB phone", seconds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PHONES = "phones.tsv"


@dataclass(frozen=True)
class Phone:
    """label, from start up to end, in seconds."""

    start: float
    end: float
    label: str


def read_phones(path: Path) -> dict[str, list[Phone]]:
    """File -> its phones in order of time. Raises ValueError, with the line, for what cannot be."""
    if not path.is_file():
        raise ValueError(f"there is no {path}; data/fetch/sounds.py writes one where a package has labels of phones")
    found: dict[str, list[Phone]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split("\t")
        try:
            key, start, end, label = fields[0], float(fields[1]), float(fields[2]), fields[3]
        except (IndexError, ValueError):
            raise ValueError(f"{path}, line {number}: {line!r} is not: file TAB start TAB end TAB phone") from None
        before = found.setdefault(key, [])
        last = before[-1].end if before else 0.0
        if len(fields) != 4 or not label or not math.isfinite(end) or not last <= start < end:
            raise ValueError(
                f"{path}, line {number}: {label!r} from {start:g} to {end:g} s after {last:g} s; phones follow one "
                "another, each longer than nothing"
            )
        before.append(Phone(start, end, label))
    if not found:
        raise ValueError(f"{path} has no phone")
    return found


def phones_at(phones: Sequence[Phone], moments: Sequence[float]) -> list[str | None]:
    """The phone at each of some ascending moments, in seconds; None where there is none."""
    labels: list[str | None] = []
    place = 0
    for moment in moments:
        while place < len(phones) and phones[place].end <= moment:
            place += 1
        inside = place < len(phones) and phones[place].start <= moment
        labels.append(phones[place].label if inside else None)
    return labels
