"""Stretches of sounds: random ones for training, whole files or fixed windows for evaluation.

Keys of stretches are "vm-goodbye.g722#16000": the file, then the first sample; of whole files, the file alone.
"""

import logging
from itertools import accumulate

import torch

from signaltok.data.audio_source import AudioSource
from signaltok.data.collate import Item
from signaltok.data.order import Passes
from signaltok.data.signal_data import CountedItems, NumberedItems
from signaltok.data.split import Split

_log = logging.getLogger(__name__)


class RandomSegments(NumberedItems):
    """Training samples numbered from 0 without end; each is a function of (seed, number) and of nothing else.

    Every pass is a permutation of the files in which a file comes once for each `size` samples that it has, begun ones
    included, so that all audio is heard equally often; where a segment starts is drawn under the number. A file
    shorter than size is given whole. One that turns out to be unreadable is replaced by the next of the pass and named.
    """

    def __init__(self, *, source: AudioSource, split: Split, size: int, seed: int) -> None:
        assert size > 0, size
        self.source, self.size = source, size
        self.files = source.keys(split)
        ends = accumulate(-(-source.length(key) // size) for key in self.files)
        self._ends = torch.tensor(list(ends))
        self._passes = Passes(size=int(self._ends[-1]), seed=seed)
        self._unreadable: set[str] = set()

    def __getitem__(self, number: int) -> Item:
        for place in self._passes.substitutes(number):
            key = self.files[int(torch.searchsorted(self._ends, place, right=True))]
            try:
                return self._segment(key, number)
            except ValueError as error:
                if key not in self._unreadable:
                    _log.warning("%s; another file is taken in its place", error)
                    self._unreadable.add(key)
        raise ValueError(f"none of {len(self.files)} files can be read; see the warnings above")

    def _segment(self, key: str, number: int) -> Item:
        length = self.source.length(key)
        start = 0
        if length > self.size:
            with self._passes.drawing(number):
                start = int(torch.randint(length - self.size + 1, ()))
        return Item(key=f"{key}#{start}", signal=self.source.segment(key, start, min(length, start + self.size)))


class Windows(CountedItems):
    """Every file of a split from its start in windows of size samples; a shorter last one is an item too.

    A file no longer than size is one item, whole.
    """

    def __init__(self, *, source: AudioSource, split: Split, size: int) -> None:
        assert size > 0, size
        self.source, self.size = source, size
        self._index = [(key, start) for key in source.keys(split) for start in range(0, source.length(key), size)]

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, number: int) -> Item:
        key, start = self._index[number]
        length = self.source.length(key)
        signal = self.source.segment(key, start, min(length, start + self.size))
        return Item(key=key if length <= self.size else f"{key}#{start}", signal=signal)
