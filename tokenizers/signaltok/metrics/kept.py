"""What an evaluation keeps to be looked at, played and listened to: some items, spread evenly over the split."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from signaltok.metrics.selection import SpreadSelection
from signaltok.types.token_stack import TokenStack

ITEMS = 8
SECONDS = 10  # of a sound, from its start
CLIP_SECONDS = 4  # of a video


@dataclass(frozen=True)
class Pictures:
    """Pictures as they were, as they came back, and their first level's codes."""

    originals: UInt8[Tensor, "n c h w"]
    reconstructions: UInt8[Tensor, "n c h w"]
    codes: Int64[Tensor, "n ..."] | None
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Sounds:
    """Sounds as they were and as they came back, and the codes of all levels of each; no longer than SECONDS."""

    originals: tuple[Float32[Tensor, "c _"], ...]
    reconstructions: tuple[Float32[Tensor, "c _"], ...]
    codes: tuple[tuple[Int64[Tensor, "..."], ...], ...]
    keys: tuple[str, ...]
    sample_rate: int


@dataclass(frozen=True)
class Clips:
    """Videos as they were and as they came back, no longer than CLIP_SECONDS, and their first level's codes.

    codes: the cells that each frame belongs to.
    """

    originals: tuple[UInt8[Tensor, "c t h w"], ...]
    reconstructions: tuple[UInt8[Tensor, "c t h w"], ...]
    codes: tuple[Int64[Tensor, "t h_cells w_cells"] | None, ...]
    keys: tuple[str, ...]
    frame_rate: int


class Keeper(ABC):
    """Takes every item of a split in order and keeps a few."""

    def __init__(self) -> None:
        self._selection: SpreadSelection[Any] = SpreadSelection(ITEMS)

    def add(
        self, signal: Tensor, decoded: Tensor, lengths: Tensor | None, stack: TokenStack | None, keys: tuple[str, ...]
    ) -> None:
        """A batch in value range; stack: None where there are no codes."""
        for item, key in enumerate(keys):
            if self._selection.wants():
                size = tuple(signal.shape[2:]) if lengths is None else tuple(int(n) for n in lengths[item])
                cut = (item, slice(None), *(slice(0, n) for n in size))
                self._selection.add(self.kept(signal[cut], decoded[cut], codes_of(stack, item), key))
            else:
                self._selection.skip()

    @abstractmethod
    def kept(self, signal: Tensor, decoded: Tensor, codes: tuple[Tensor, ...], key: str) -> Any:
        """What is kept of an item [c, *s] of its own size."""


class PictureKeeper(Keeper):
    """Keeps pictures; of those that are kept, the ones with the size of the first are given."""

    def __init__(self, value_range: tuple[float, float]) -> None:
        super().__init__()
        self._range = value_range

    def kept(self, signal: Tensor, decoded: Tensor, codes: tuple[Tensor, ...], key: str) -> Any:
        """See Keeper."""
        pair = (pixels(values, self._range).cpu() for values in (signal, decoded))
        return (*pair, codes[0] if codes else None, key)

    def pictures(self) -> Pictures | None:
        """None where there were no items."""
        kept = self._selection.items()
        if not kept:
            return None
        kept = [item for item in kept if item[0].shape == kept[0][0].shape]
        originals, reconstructions, codes, keys = zip(*kept, strict=True)
        return Pictures(
            originals=torch.stack(originals),
            reconstructions=torch.stack(reconstructions),
            codes=None if codes[0] is None else torch.stack(codes),
            keys=keys,
        )


class SoundKeeper(Keeper):
    """Keeps the first SECONDS of sounds."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self._rate = sample_rate

    def kept(self, signal: Tensor, decoded: Tensor, codes: tuple[Tensor, ...], key: str) -> Any:
        """See Keeper."""
        length, most = signal.shape[1], SECONDS * self._rate
        pair = (values[:, :most].float().cpu().clone() for values in (signal, decoded))
        shown = tuple(level[: -(-level.shape[0] * min(most, length) // length)] for level in codes)
        return (*pair, shown, key)

    def sounds(self) -> Sounds | None:
        """None where there were no items."""
        kept = self._selection.items()
        if not kept:
            return None
        originals, reconstructions, codes, keys = zip(*kept, strict=True)
        return Sounds(originals, reconstructions, codes, keys, self._rate)


class ClipKeeper(Keeper):
    """Keeps the first CLIP_SECONDS of videos. stride, lead: of the first level along time (types.token_stack)."""

    def __init__(self, value_range: tuple[float, float], frame_rate: int, *, stride: int, lead: int) -> None:
        super().__init__()
        self._range, self._rate, self._stride, self._lead = value_range, frame_rate, stride, lead

    def kept(self, signal: Tensor, decoded: Tensor, codes: tuple[Tensor, ...], key: str) -> Any:
        """See Keeper."""
        length, most = signal.shape[1], max(1, CLIP_SECONDS * self._rate)
        pair = (pixels(values[:, :most], self._range).cpu() for values in (signal, decoded))
        cells = (torch.arange(min(most, length)) + self._lead) // self._stride
        return (*pair, codes[0][cells] if codes and codes[0].ndim == 3 else None, key)

    def clips(self) -> Clips | None:
        """None where there were no items."""
        kept = self._selection.items()
        if not kept:
            return None
        originals, reconstructions, codes, keys = zip(*kept, strict=True)
        return Clips(originals, reconstructions, codes, keys, self._rate)


def pixels(values: Tensor, value_range: tuple[float, float]) -> Tensor:
    """uint8, the range on 0..255."""
    low, high = value_range
    return ((values.float() - low) * (255 / (high - low))).round().clamp(0, 255).to(torch.uint8)


def codes_of(stack: TokenStack | None, item: int) -> tuple[Tensor, ...]:
    """The valid codes of an item, a tensor a level, on the processor."""
    if stack is None:
        return ()
    found = []
    for level, lengths in zip(stack.levels, stack.lengths, strict=True):
        grid = tuple(level.shape[1:]) if lengths is None else tuple(int(n) for n in lengths[item])
        found.append(level[(item, *(slice(0, n) for n in grid))].cpu())
    return tuple(found)
