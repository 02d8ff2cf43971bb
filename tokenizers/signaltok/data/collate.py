"""From items to a Batch."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.types.batch import Batch


class Item(NamedTuple):
    """One signal and its name; where the data set has them its class, its text, and its pair in another modality."""

    key: str
    signal: Float[Tensor, "c *s"]
    label: int | None = None
    text: str | None = None
    pair: Float[Tensor, "..."] | None = None


def collate(items: Sequence[Item], multiple: int = 1) -> Batch:
    """Stack items; where they differ in extent, pad with zeros at the end of each axis and note the lengths.

    multiple: each axis is as long as the longest item, rounded up to a multiple of this.
    """
    if not items:
        raise ValueError("a batch needs at least one item, got none")
    signals = [item.signal for item in items]
    keys = tuple(item.key for item in items)
    labels = _given(items, "label")
    text, pair = _given(items, "text"), _given(items, "pair")
    more: dict[str, Any] = {
        "labels": None if labels is None else torch.tensor(labels, dtype=torch.int64),
        "text": None if text is None else tuple(text),
        "pair": None if pair is None else _stacked(pair, keys),
    }
    channels = {signal.shape[0] for signal in signals}
    ranks = {signal.dim() for signal in signals}
    if len(channels) > 1 or len(ranks) > 1:
        shapes = ", ".join(f"{item.key} {tuple(item.signal.shape)}" for item in items)
        raise ValueError(f"items of one batch need the same channels and number of axes, got {shapes}")
    extents = torch.tensor([signal.shape[1:] for signal in signals], dtype=torch.int64)
    longest = -(-extents.amax(0) // multiple) * multiple
    if (extents == longest).all():
        return Batch(signal=torch.stack(signals), keys=keys, **more)
    padded = signals[0].new_zeros(len(signals), signals[0].shape[0], *longest.tolist())
    for row, signal in zip(padded, signals, strict=True):
        row[(slice(None), *(slice(0, extent) for extent in signal.shape[1:]))] = signal
    return Batch(signal=padded, keys=keys, lengths=extents, **more)


def _given(items: Sequence[Item], name: str) -> list[Any] | None:
    """What every item has under this name; None where none has it."""
    found = [getattr(item, name) for item in items if getattr(item, name) is not None]
    if found and len(found) < len(items):
        raise ValueError(f"of the items {', '.join(item.key for item in items)} some have a {name} and some do not")
    return found or None


def _stacked(pairs: list[Tensor], keys: tuple[str, ...]) -> Tensor:
    shapes = {tuple(pair.shape) for pair in pairs}
    if len(shapes) > 1:
        raise ValueError(f"the pairs of one batch need one shape, but those of {', '.join(keys)} have {sorted(shapes)}")
    return torch.stack(pairs)


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
