"""A folder of pictures, nested as it may be; the split is by the hash of a picture's name."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from torch import Tensor

from signaltok.data.found_files import find_files
from signaltok.data.read_image import read_pixels, read_size, resize_shorter, resized
from signaltok.data.source import PictureSource, check_resize, digest
from signaltok.data.split import SPLITS, Split, split_of

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
HASH_RULE = "MD5 of the key modulo 10: 0 test, 1 val, the rest train"
ALL_RULE = "all: EVERY PICTURE IS IN EVERY SPLIT, so val and test figures are figures on training pictures"
CONTENT_LIMIT = 2**30


class ImageFolder(PictureSource):
    """Pictures under root, found by their suffix; a key is the path relative to root, with forward slashes.

    split: "hash" by the name of the key, "all" for folders too small to split. resize: length that the shorter side
    is scaled to, None for pictures as they are. cache_megabytes: decoded pictures kept in memory, first come first
    kept; each worker process has its own. Names that begin with a dot are passed over.
    """

    def __init__(self, *, root: str, split: str, resize: int | None, cache_megabytes: int) -> None:
        if split not in ("hash", "all"):
            raise ValueError(
                f"data.split is {split!r}; it is hash (by file name) or all (every picture in every split)"
            )
        if resize is not None and resize < 1:
            raise ValueError(f"data.resize is {resize}; it is the length of the shorter side, or null")
        if cache_megabytes < 0:
            raise ValueError(f"data.cache_megabytes is {cache_megabytes}; it is 0 (no cache) or more")
        self.root = Path(root)
        self.split = split
        self.resize = resize
        self._everything = tuple(sorted(find_files(self.root, SUFFIXES)))
        if not self._everything:
            raise ValueError(
                f"the folder {self.root} holds no pictures; expected files ending in {', '.join(sorted(SUFFIXES))}"
            )
        self._keys: dict[Split, tuple[str, ...]] = {
            name: tuple(key for key in self._everything if split == "all" or split_of(key) == name) for name in SPLITS
        }
        self._free_bytes = cache_megabytes * 2**20
        self._cache: dict[str, Tensor] = {}
        self._dimensions: dict[str, tuple[int, int]] = {}

    def keys(self, split: Split) -> tuple[str, ...]:
        """Keys of a split, sorted."""
        keys = self._keys[split]
        if not keys:
            counts = ", ".join(f"{len(self._keys[name])} {name}" for name in SPLITS)
            raise ValueError(
                f"the {split} split of {self.root} is empty: its {len(self._everything)} pictures are split by file "
                f"name into {counts}. Add pictures, or take every picture for every split with data.split=all"
            )
        return keys

    def pixels(self, key: str) -> UInt8[Tensor, "3 h w"]:
        """The picture, from the cache where it is there."""
        kept = self._cache.get(key)
        if kept is not None:
            return kept
        pixels = read_pixels(self.root / key)
        if self.resize is not None:
            pixels = resize_shorter(pixels, self.resize)
        if pixels.numel() <= self._free_bytes:
            self._free_bytes -= pixels.numel()
            self._cache[key] = pixels
        return pixels

    def dimensions(self, key: str) -> tuple[int, int]:
        """Both sides, from the header; read once."""
        if key not in self._dimensions:
            height, width = read_size(self.root / key)
            self._dimensions[key] = (height, width) if self.resize is None else resized(height, width, self.resize)
        return self._dimensions[key]

    def check_size(self, keys: Iterable[str], size: int) -> None:
        """As in PictureSource; where pictures are scaled no file is opened for it."""
        if self.resize is None:
            super().check_size(keys, size)
        else:
            check_resize(self.resize, size)

    def fingerprint(self) -> str:
        """Over keys, split rule, resize and file contents; above one GiB of files, over their sizes instead.

        The word before the colon says which.
        """
        sizes = [(self.root / key).stat().st_size for key in self._everything]
        whole = sum(sizes) <= CONTENT_LIMIT
        parts = [f"split={self.split} resize={self.resize}".encode()]
        for key, size in zip(self._everything, sizes, strict=True):
            parts.append(key.encode("utf-8", "surrogateescape"))
            if whole:
                parts.append(hashlib.sha256((self.root / key).read_bytes()).digest())
            else:
                parts.append(str(size).encode())
        rule = "every-picture-in-every-split-" if self.split == "all" else ""
        return f"{rule}{'contents' if whole else 'names-and-sizes'}:{digest(parts)}"

    def describe(self) -> dict[str, Any]:
        """Name, root, split rule, scaling and number of pictures of each split."""
        return {
            "name": self.root.resolve().name,
            "root": str(self.root),
            "split_rule": ALL_RULE if self.split == "all" else HASH_RULE,
            "resize": self.resize,
            "pictures": {name: len(self._keys[name]) for name in SPLITS},
        }
