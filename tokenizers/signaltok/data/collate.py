"""From items to a Batch."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.types.batch import Batch


class Item(NamedTuple):
    """One signal, its name, and its class where the data set has one."""

    key: str
    signal: Float[Tensor, "c *s"]
    label: int | None = None


def collate(items: Sequence[Item]) -> Batch:
    """Stack items; where they differ in extent, pad with zeros at the end of each axis and note the lengths."""
    if not items:
        raise ValueError("a batch needs at least one item, got none")
    signals = [item.signal for item in items]
    keys = tuple(item.key for item in items)
    labels = _labels(items)
    channels = {signal.shape[0] for signal in signals}
    ranks = {signal.dim() for signal in signals}
    if len(channels) > 1 or len(ranks) > 1:
        shapes = ", ".join(f"{item.key} {tuple(item.signal.shape)}" for item in items)
        raise ValueError(f"items of one batch need the same channels and number of axes, got {shapes}")
    extents = torch.tensor([signal.shape[1:] for signal in signals], dtype=torch.int64)
    longest = extents.amax(0)
    if (extents == longest).all():
        return Batch(signal=torch.stack(signals), keys=keys, labels=labels)
    padded = signals[0].new_zeros(len(signals), signals[0].shape[0], *longest.tolist())
    for row, signal in zip(padded, signals, strict=True):
        row[(slice(None), *(slice(0, extent) for extent in signal.shape[1:]))] = signal
    return Batch(signal=padded, keys=keys, lengths=extents, labels=labels)


def _labels(items: Sequence[Item]) -> Int64[Tensor, " b"] | None:
    found = [item.label for item in items if item.label is not None]
    if found and len(found) < len(items):
        raise ValueError(f"of the items {', '.join(item.key for item in items)} some have a label and some do not")
    return torch.tensor(found, dtype=torch.int64) if found else None


def check_range(batch: Batch, value_range: tuple[float, float]) -> None:
    """ValueError where the signal holds a value outside value_range, or one that is not a number."""
    low, high = value_range
    found_low, found_high = batch.signal.aminmax()
    if found_low.isnan() or found_high.isnan():
        bad = [key for key, signal in zip(batch.keys, batch.signal, strict=True) if signal.isnan().any()]
        raise ValueError(f"the signal of {', '.join(bad)} holds NaN; repair or remove it")
    if found_low < low or found_high > high:
        raise ValueError(
            f"the signal lies in {found_low.item():g}..{found_high.item():g}, outside the value range "
            f"{low:g}..{high:g}; signaltok.data.read_image.to_signal makes -1..1 of pictures of 0..255"
        )
