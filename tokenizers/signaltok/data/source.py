"""A set of pictures: keys by split, and the pixels of each key."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from jaxtyping import UInt8
from torch import Tensor

from signaltok.data.split import Split


class PictureSource(ABC):
    """Where pictures come from. Sources give whole pictures in 8 bits; what is cut from them is decided elsewhere."""

    @abstractmethod
    def keys(self, split: Split) -> tuple[str, ...]:
        """Names of the pictures of a split, in an order that never changes; ValueError where there are none."""

    @abstractmethod
    def pixels(self, key: str) -> UInt8[Tensor, "3 h w"]:
        """The picture."""

    @abstractmethod
    def dimensions(self, key: str) -> tuple[int, int]:
        """Both sides of the picture, without decoding it; a camera's orientation may still swap them."""

    def label(self, key: str) -> int | None:  # noqa: ARG002
        """The class of the picture, 0 or more; None where the pictures have none."""
        return None

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash that changes when a picture, a name or the rule of the split does."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Plain data for the record of a run: name, root, split rule, number of pictures of each split."""

    def check_size(self, keys: Iterable[str], size: int) -> None:
        """ValueError naming the first picture that is too small for a crop of size x size."""
        for key in keys:
            height, width = self.dimensions(key)
            if min(height, width) < size:
                raise ValueError(
                    f"{key} has {height} x {width} pixels (height x width), too few for crops of {size} x {size}; "
                    "take a smaller data.size, or remove or enlarge the picture"
                )


def check_resize(resize: int, size: int) -> None:
    """ValueError where pictures scaled to a shorter side of resize are too small for crops of size x size."""
    if resize < size:
        raise ValueError(
            f"data.resize={resize} scales pictures to a shorter side of {resize} pixels, too few for crops of "
            f"{size} x {size}; take a smaller data.size or a larger data.resize"
        )


def digest(parts: Iterable[bytes]) -> str:
    """SHA-256 over parts, each preceded by its length, so that no two lists of parts run into each other."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    return hasher.hexdigest()
