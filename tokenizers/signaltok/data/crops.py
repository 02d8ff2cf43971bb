"""Crops of pictures: random ones for training, fixed ones for evaluation.

Keys of crops are "beach0.jpg#y=64,x=128": the picture, then the upper left corner.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from signaltok.data.collate import Item
from signaltok.data.order import Passes
from signaltok.data.read_image import to_signal
from signaltok.data.signal_data import CountedItems, NumberedItems
from signaltok.data.source import PictureSource
from signaltok.data.split import Split

Augmentation = Callable[[Tensor], Tensor]


def _check(source: PictureSource, split: Split, size: int) -> tuple[str, ...]:
    if size < 1:
        raise ValueError(f"data.size is {size}; it is the side of a crop in pixels, 1 or more")
    keys = source.keys(split)
    source.check_size(keys, size)
    return keys


def _cut(pixels: Tensor, top: int, left: int, size: int) -> Tensor:
    return pixels[:, top : top + size, left : left + size]


class RandomCrops(NumberedItems):
    """Training samples numbered from 0 without end; each is a function of (seed, number) and of nothing else.

    Every pass over the pictures is its own permutation of them; position and augmentation are drawn under a
    generator seeded by the number, and torch's own random state is left as it was. augmentation takes and gives
    uint8 [3, size, size], None for crops as they are.
    """

    def __init__(
        self, *, source: PictureSource, split: Split, size: int, augmentation: Augmentation | None, seed: int
    ) -> None:
        self.source = source
        self.size = size
        self.augmentation = augmentation
        self.pictures = _check(source, split, size)
        self._passes = Passes(size=len(self.pictures), seed=seed)

    def __getitem__(self, number: int) -> Item:
        key = self.pictures[self._passes.place(number)]
        pixels = self.source.pixels(key)
        with self._passes.drawing(number):
            top = int(torch.randint(pixels.shape[1] - self.size + 1, ()))
            left = int(torch.randint(pixels.shape[2] - self.size + 1, ()))
            crop = self._augmented(_cut(pixels, top, left, self.size))
        return Item(key=f"{key}#y={top},x={left}", signal=to_signal(crop), label=self.source.label(key))

    def _augmented(self, crop: Tensor) -> Tensor:
        if self.augmentation is None:
            return crop
        result = self.augmentation(crop.clone())
        if result.shape != crop.shape or result.dtype != torch.uint8:
            raise ValueError(
                f"data.augmentation made {result.dtype} {tuple(result.shape)} of uint8 {tuple(crop.shape)}; it must "
                "keep type and shape (cropping is done by data.size, the value range comes later)"
            )
        return result


class Tiles(CountedItems):
    """All full tiles of every picture that do not overlap, from the upper left corner, row by row.

    What remains at the right and the lower border is left out (of 360 x 720 pixels and tiles of 64: 55 tiles, and
    the lowest 40 rows and the last 16 columns are not seen).
    """

    def __init__(self, *, source: PictureSource, split: Split, size: int) -> None:
        self.source = source
        self.size = size
        self._index: list[tuple[str, int]] = []
        for key in _check(source, split, size):
            height, width = source.dimensions(key)
            self._index += [(key, tile) for tile in range((height // size) * (width // size))]

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, number: int) -> Item:
        key, tile = self._index[number]
        pixels = self.source.pixels(key)
        row, column = divmod(tile, pixels.shape[2] // self.size)
        top, left = row * self.size, column * self.size
        signal = to_signal(_cut(pixels, top, left, self.size))
        return Item(key=f"{key}#y={top},x={left}", signal=signal, label=self.source.label(key))


class CentreCrops(CountedItems):
    """The middle of every picture: the protocol of the papers on ImageNet, together with a scaled shorter side."""

    def __init__(self, *, source: PictureSource, split: Split, size: int) -> None:
        self.source = source
        self.size = size
        self.pictures = _check(source, split, size)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, number: int) -> Item:
        key = self.pictures[number]
        pixels = self.source.pixels(key)
        top, left = (pixels.shape[1] - self.size) // 2, (pixels.shape[2] - self.size) // 2
        signal = to_signal(_cut(pixels, top, left, self.size))
        return Item(key=f"{key}#y={top},x={left}", signal=signal, label=self.source.label(key))
