"""Transcript: what is said in an item, as a run looks at it before its first step."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Transcript:
    """key, split and normalised text of an item; least: signal positions that it has at the least (sped up, say)."""

    key: str
    split: str
    text: str
    least: int
