"""A set of videos: keys by split, their lengths, and any stretch of each at one frame rate.

A key is a file, or a scene of one: "film.mp4@28-370" is what is shown from second 28 to second 370. Scenes are how one
long film is split by time: a table says which seconds belong to which split, and what no line names belongs to none.
"""

import hashlib
import logging
import math
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from signaltok.data.found_files import find_files, left_out_words
from signaltok.data.read_video import rate_of, scaled_size, shown_at
from signaltok.data.source import digest
from signaltok.data.split import SPLITS, Split
from signaltok.data.video_file import VideoHeader, read_frames, read_header
from signaltok.data.video_names import SUFFIXES
from signaltok.data.video_splits import RULES, split_names, stretches

CONTENT_LIMIT = 2**30
_log = logging.getLogger(__name__)


class Scene(NamedTuple):
    """Frames first .. first + length - 1 of a file, counted at the source's rate."""

    file: str
    first: int
    length: int


class VideoFolder:
    """Files under root, found by their suffix, at frame_rate frames a second, their shorter side at resize pixels.

    split: "hash" by the path below root; "time" by splits.tsv in root, lines of file, first second, last second and
    split with tabs between; "folders" by those below root, as of Kinetics; "ucf101" by its lists; "all" for folders too
    small to split. resize: None for frames as they are. cache_megabytes: decoded scenes kept in memory, first come
    first kept, each whole or not at all; each worker process has its own.
    Files that cannot be read are left out, counted and named in describe; all are opened when this is built.
    """

    def __init__(self, *, root: str, split: str, frame_rate: int, resize: int | None, cache_megabytes: int) -> None:
        if split not in RULES:
            raise ValueError(f"data.split is {split!r}; it is one of {', '.join(RULES)}")
        if resize is not None and resize < 1:
            raise ValueError(f"data.resize is {resize}; it is the length of the shorter side, or null")
        if cache_megabytes < 0:
            raise ValueError(f"data.cache_megabytes is {cache_megabytes}; it is 0 (no cache) or more")
        self.root, self.split, self.resize = Path(root), split, resize
        self.frame_rate = rate_of(frame_rate)
        files = sorted(find_files(self.root, SUFFIXES))
        if not files:
            raise ValueError(
                f"the folder {root} holds no videos; expected files ending in {', '.join(sorted(SUFFIXES))}"
            )
        self._headers: dict[str, VideoHeader] = {}
        self._numbers: dict[str, np.ndarray] = {}
        self.unreadable: dict[str, str] = {}
        for name in files:
            try:
                header = read_header(self.root / name)
            except ValueError as error:
                self.unreadable[name] = str(error).removeprefix(f"cannot read {self.root / name}: ")
                continue
            self._headers[name] = header
            self._numbers[name] = shown_at(header, self.frame_rate)
        self._check(len(files))
        self._scenes: dict[str, Scene] = {}
        self._keys = self._split_by_time() if split == "time" else self._split_by_name()
        self._free_bytes = cache_megabytes * 2**20
        self._cache: dict[str, np.ndarray] = {}

    def _check(self, files: int) -> None:
        if not self._headers:
            name, reason = next(iter(self.unreadable.items()))
            raise ValueError(f"none of the {files} videos of {self.root} can be read; the first is {name}: {reason}")
        if self.unreadable:
            _log.warning(
                "%d of %d videos of %s are left out: %s",
                len(self.unreadable),
                files,
                self.root,
                left_out_words(self.unreadable),
            )

    def _split_by_name(self) -> dict[Split, tuple[str, ...]]:
        for name, numbers in self._numbers.items():
            self._scenes[name] = Scene(name, 0, len(numbers))
        everything = sorted([*self._scenes, *self.unreadable])
        found = split_names(self.root, everything, self.split)
        return {split: tuple(name for name in names if name in self._scenes) for split, names in found.items()}

    def _split_by_time(self) -> dict[Split, tuple[str, ...]]:
        keys: dict[Split, list[str]] = {split: [] for split in SPLITS}
        for where, name, first, last, split in stretches(self.root):
            if name in self.unreadable:
                continue
            if name not in self._headers:
                raise ValueError(f"{where} names {name}, which is not among the videos of {self.root}")
            begin = math.ceil(first * self.frame_rate)
            length = min(math.ceil(last * self.frame_rate), len(self._numbers[name])) - begin
            if length < 1:
                raise ValueError(
                    f"{where}: {name} has {float(self._headers[name].seconds):.1f} s and no frame from second "
                    f"{float(first):g} to {float(last):g}"
                )
            key = f"{name}@{float(first):g}-{float(last):g}"
            self._scenes[key] = Scene(name, begin, length)
            keys[split].append(key)
        return {split: tuple(found) for split, found in keys.items()}

    def keys(self, split: Split) -> tuple[str, ...]:
        """Keys of a split, in an order that never changes; ValueError where there are none."""
        keys = self._keys[split]
        if not keys:
            counts = ", ".join(f"{len(self._keys[name])} {name}" for name in SPLITS)
            raise ValueError(
                f"the {split} split of {self.root} is empty: its {len(self._headers)} videos are split into {counts}. "
                "Add videos, or choose another data.split"
            )
        return keys

    def length(self, key: str) -> int:
        """Frames of the scene at frame_rate, 1 or more."""
        return self._scenes[key].length

    def dimensions(self, key: str) -> tuple[int, int]:
        """Height and width of its frames, as they are given."""
        header = self._headers[self._scenes[key].file]
        return scaled_size(header, self.resize) or (header.height, header.width)

    def frames(self, key: str, start: int, stop: int) -> UInt8[np.ndarray, "n h w 3"]:
        """Frames start .. stop - 1 of the scene. ValueError where they cannot be read."""
        scene = self._scenes[key]
        assert 0 <= start < stop <= scene.length, f"{start}..{stop} of {key}"
        if key not in self._cache:
            size = scene.length * 3 * int(np.prod(self.dimensions(key)))
            if size > self._free_bytes:
                return self._read(scene, start, stop)
            self._free_bytes -= size
            self._cache[key] = self._read(scene, 0, scene.length)
        return self._cache[key][start:stop]

    def _read(self, scene: Scene, start: int, stop: int) -> np.ndarray:
        header = self._headers[scene.file]
        numbers = self._numbers[scene.file][scene.first + start : scene.first + stop]
        return read_frames(self.root / scene.file, header.times[numbers], scaled_size(header, self.resize))

    def fingerprint(self) -> str:
        """Over keys, split, rate and file contents; above one GiB of files, over their sizes instead."""
        sizes = {name: (self.root / name).stat().st_size for name in self._headers}
        whole = sum(sizes.values()) <= CONTENT_LIMIT
        parts = [f"frame_rate={self.frame_rate} resize={self.resize} {RULES[self.split]}".encode()]
        for split, keys in self._keys.items():
            parts += [f"{split} {len(keys)}".encode(), *(key.encode("utf-8", "surrogateescape") for key in keys)]
        for name, size in sizes.items():
            parts.append(name.encode("utf-8", "surrogateescape"))
            parts.append(hashlib.sha256((self.root / name).read_bytes()).digest() if whole else str(size).encode())
        return f"{'contents' if whole else 'names-and-sizes'}:{digest(parts)}"

    def describe(self) -> dict[str, Any]:
        """Name, root, split rule, rate, sizes, what was left out, and what there is of each split."""
        shapes = Counter(self.dimensions(key) for key in self._scenes)
        description: dict[str, Any] = {
            "name": self.root.resolve().name,
            "root": str(self.root),
            "split_rule": RULES[self.split],
            "frame_rate": float(self.frame_rate),
            "sizes": {f"{height}x{width}": count for (height, width), count in sorted(shapes.items())},
            "videos": {split: len(keys) for split, keys in self._keys.items()},
            "seconds": {
                split: round(float(sum(map(self.length, keys)) / self.frame_rate), 1)
                for split, keys in self._keys.items()
            },
        }
        if self.unreadable:
            description["unreadable"] = {"files": len(self.unreadable), "which": left_out_words(self.unreadable)}
        return description
