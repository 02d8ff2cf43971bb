"""Clips of videos: random ones for training, fixed ones for evaluation.

Keys of clips are "film.mp4@430-488#120": the scene, then its first frame; of random ones "...#120,y=8,x=64" with the
upper left corner.
"""

import logging
from itertools import accumulate

import torch

from signaltok.data.collate import Item
from signaltok.data.order import Passes
from signaltok.data.read_video import clip_signal
from signaltok.data.signal_data import CountedItems, NumberedItems
from signaltok.data.split import Split
from signaltok.data.video_source import VideoFolder

_log = logging.getLogger(__name__)


class RandomClips(NumberedItems):
    """Training samples numbered from 0 without end; each is a function of (seed, number) and of nothing else.

    Every pass is a permutation of the scenes in which a scene comes once for each `frames` frames that it has, begun
    ones included, so that all frames are seen equally often; where a clip lies in time and in the frame is drawn under
    the number, and with `mirrored` whether it is mirrored. A scene shorter than a clip is given whole. One that turns
    out to be unreadable is replaced by the next of the pass and named.
    """

    def __init__(
        self, *, source: VideoFolder, split: Split, frames: int, size: int | None, mirrored: bool, seed: int
    ) -> None:
        self.source, self.frames, self.size, self.mirrored = source, frames, size, mirrored
        self.scenes = source.keys(split)
        if size is not None:
            check_size(source, self.scenes, size)
        ends = accumulate(-(-source.length(key) // frames) for key in self.scenes)
        self._ends = torch.tensor(list(ends))
        self._passes = Passes(size=int(self._ends[-1]), seed=seed)
        self._unreadable: set[str] = set()

    def __getitem__(self, number: int) -> Item:
        for place in self._passes.substitutes(number):
            key = self.scenes[int(torch.searchsorted(self._ends, place, right=True))]
            try:
                return self._clip(key, number)
            except ValueError as error:
                if key not in self._unreadable:
                    _log.warning("%s; another video is taken in its place", error)
                    self._unreadable.add(key)
        raise ValueError(f"none of {len(self.scenes)} videos can be read; see the warnings above")

    def _clip(self, key: str, number: int) -> Item:
        length, (height, width) = self.source.length(key), self.source.dimensions(key)
        high, wide = (height, width) if self.size is None else (self.size, self.size)
        with self._passes.drawing(number):
            start = int(torch.randint(max(1, length - self.frames + 1), ()))
            top, left = int(torch.randint(height - high + 1, ())), int(torch.randint(width - wide + 1, ()))
            mirror = self.mirrored and bool(torch.rand(()) < 0.5)
        frames = self.source.frames(key, start, min(length, start + self.frames))
        frames = frames[:, top : top + high, left : left + wide]
        signal = clip_signal(frames[:, :, ::-1] if mirror else frames)
        return Item(key=f"{key}#{start},y={top},x={left}", signal=signal)


class FixedClips(CountedItems):
    """Every scene of a split from its start in clips of `frames` frames, whole pictures; the last may be shorter."""

    def __init__(self, *, source: VideoFolder, split: Split, frames: int) -> None:
        self.source, self.frames = source, frames
        self._index = [(key, start) for key in source.keys(split) for start in range(0, source.length(key), frames)]

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, number: int) -> Item:
        key, start = self._index[number]
        stop = min(self.source.length(key), start + self.frames)
        return Item(key=f"{key}#{start}", signal=clip_signal(self.source.frames(key, start, stop)))


def check_size(source: VideoFolder, keys: tuple[str, ...], size: int) -> None:
    """ValueError naming the first video that is too small for a crop of size x size."""
    for key in keys:
        height, width = source.dimensions(key)
        if min(height, width) < size:
            raise ValueError(
                f"{key} has {height} x {width} pixels (height x width), too few for crops of {size} x {size}; take a "
                "smaller data.size, or a larger data.resize"
            )
