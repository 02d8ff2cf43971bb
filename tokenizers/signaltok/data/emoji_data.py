"""Emoji as a run sees them: pictures with what they are called."""

from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from signaltok.data.collate import Item
from signaltok.data.crops import Augmentation
from signaltok.data.emoji_source import SIDE, EmojiSource, chosen_words
from signaltok.data.order import Passes
from signaltok.data.read_image import to_signal
from signaltok.data.signal_data import CountedItems, NumberedItems, SignalData
from signaltok.data.split import SPLITS, Split, check_split


class EmojiData(SignalData):
    """Pictures [3, size, size] with text and labels (the category).

    root: a folder with sheet.png and names.tsv. size: 64, or less by a whole factor. In training, each a function of
    (seed, number) alone: a skin tone at random where the drawing has several (tones), the augmentation, and a random
    share of the words of name and keywords, from least_words to all of them; in evaluation the drawing as it is, and
    all words. pair_root: None, or another such folder (another vendor's), whose drawing of the same emoji is then the
    item's pair. The rest as in SignalData.
    """

    channels: int = 3

    def __init__(
        self,
        *,
        root: str,
        pair_root: str | None,
        size: int,
        tones: bool,
        least_words: float,
        augmentation: Augmentation | None,
        batch_size: int,
        eval_batch_size: int,
        num_workers: int,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, num_workers=num_workers)
        if not 0 < least_words <= 1:
            raise ValueError(f"data.least_words is {least_words}; it is a share of the words above 0, up to 1")
        if size < 1 or SIDE % size:
            raise ValueError(f"data.size is {size}; emoji have {SIDE} pixels, which are reduced by a whole factor")
        self.source = EmojiSource(root=root)
        self.pairs = None if pair_root is None else EmojiSource(root=pair_root)
        self.size, self.tones, self.least_words, self.augmentation = size, tones, least_words, augmentation
        if self.pairs is not None:
            missing = sorted({key for split in SPLITS for key in self.source.keys(split)} - set(_all_keys(self.pairs)))
            if missing:
                raise ValueError(f"data.pair_root={pair_root} has no {', '.join(missing[:3])}, which data.root has")

    def train_set(self, seed: int) -> "VariedEmoji":
        """The endless, numbered training samples of a seed."""
        return VariedEmoji(data=self, seed=seed)

    def eval_set(self, split: Split) -> "PlainEmoji":
        """The emoji of a split, as they are."""
        check_split(split)
        return PlainEmoji(data=self, split=split)

    def fingerprint(self) -> str:
        """See SignalData; over the pairs too."""
        own = super().fingerprint()
        return own if self.pairs is None else f"{own}+{self.pairs.fingerprint()}"

    def describe(self) -> dict[str, Any]:
        """Plain data for the record of a run: the source, the split, and how pictures and words are varied."""
        return self.source.describe() | {
            "size": self.size,
            "pairs": None if self.pairs is None else str(self.pairs.root),
            "tones": self.tones,
            "least_words": self.least_words,
            "augmentation": None if self.augmentation is None else str(self.augmentation),
            "evaluation": "every drawing as it is, with all words of its name and keywords",
            "eval_items": {name: len(self.source.keys(name)) for name in SPLITS[1:]},
        }

    def reduced(self, pixels: UInt8[Tensor, "3 64 64"]) -> UInt8[Tensor, "3 n n"]:
        """A drawing at the side `size`, means over squares, rounded."""
        factor = SIDE // self.size
        if factor == 1:
            return pixels
        return torch.nn.functional.avg_pool2d(pixels.float(), factor).round_().to(torch.uint8)

    def varied(self, pixels: UInt8[Tensor, "3 n n"]) -> UInt8[Tensor, "3 n n"]:
        """An augmented drawing. Raises ValueError where the augmentation changes type or shape."""
        if self.augmentation is None:
            return pixels
        result = self.augmentation(pixels.clone())
        if result.shape != pixels.shape or result.dtype != torch.uint8:
            raise ValueError(
                f"data.augmentation made {result.dtype} {tuple(result.shape)} of uint8 {tuple(pixels.shape)}; it must "
                "keep type and shape"
            )
        return result


class VariedEmoji(NumberedItems):
    """Training samples numbered from 0 without end, every pass a permutation of the emoji of its own."""

    def __init__(self, *, data: EmojiData, seed: int) -> None:
        self.data = data
        self.emoji = data.source.keys("train")
        self._passes = Passes(size=len(self.emoji), seed=seed)

    def __getitem__(self, number: int) -> Item:
        data, source = self.data, self.data.source
        key = self.emoji[self._passes.place(number)]
        with self._passes.drawing(number):
            places = source.tones(key)
            place = places[int(torch.randint(len(places), ()))] if data.tones else places[0]
            text = chosen_words(source.words(key), data.least_words)
            signal = to_signal(data.varied(data.reduced(source.drawing(place))))
            pair = None
            if data.pairs is not None:
                pair = to_signal(data.varied(data.reduced(data.pairs.pixels(key))))
        return Item(key=key, signal=signal, label=source.label(key), text=text, pair=pair)


class PlainEmoji(CountedItems):
    """The emoji of a split."""

    def __init__(self, *, data: EmojiData, split: Split) -> None:
        self.data = data
        self.emoji = data.source.keys(split)

    def __len__(self) -> int:
        return len(self.emoji)

    def __getitem__(self, number: int) -> Item:
        data, key = self.data, self.emoji[number]
        return Item(
            key=key,
            signal=to_signal(data.reduced(data.source.pixels(key))),
            label=data.source.label(key),
            text=" ".join(data.source.words(key)),
            pair=None if data.pairs is None else to_signal(data.reduced(data.pairs.pixels(key))),
        )


def _all_keys(source: EmojiSource) -> list[str]:
    return [key for split in SPLITS for key in source.keys(split)]
