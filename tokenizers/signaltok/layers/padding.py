"""Padding by zeros, by reflection or by the last value, at each item's own end.

A short signal is reflected as EnCodec does (Défossez et al. 2022; their code): one not longer than the padding is first
completed with zeros until it is one longer.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from signaltok.layers.channels_last import placed
from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Pointwise

MODES = ("constant", "reflect", "replicate")


def padded(
    x: Float[Tensor, "b c *l"],
    before: int,
    after: int,
    multiple: int,
    mode: str,
    lengths: Int64[Tensor, "b axes"] | None,
    activation: Pointwise | None = None,
) -> Float[Tensor, "b c *m"]:
    """On every axis: completed to a multiple at its end, with `before` and `after` positions more than that.

    lengths: where the items end; then what follows an item is its own padding, not the batch's, as far as the item
    alone would be padded. x must be silent beyond them. activation: padded is what it makes of x, one axis long, where
    there are neither gradients nor lengths.
    """
    assert mode in MODES, f"mode is one of {MODES}, got {mode!r}"
    sizes = x.shape[2:]
    rights = [after + -n % multiple for n in sizes]
    whole = Extent(None, None)
    if before == 0 and not any(rights):
        return x if activation is None else activation(x, extent=whole)
    enough = [mode == "replicate" or n > max(before, right) for n, right in zip(sizes, rights, strict=True)]
    if mode == "constant" or (lengths is None and all(enough)):
        if len(sizes) == 1:
            return _between_ends(x, before, rights[0], mode, activation)
        return F.pad(x, [n for right in reversed(rights) for n in (before, right)], mode=mode)
    x = x if activation is None else activation(x, extent=whole)
    for axis, right in enumerate(rights):
        size = x.shape[2 + axis]
        own = torch.full((len(x),), size, device=x.device) if lengths is None else lengths[:, axis]
        place = torch.arange(-before, size + right, device=x.device)[None]
        index, inside = _sources(place, own[:, None], before, after + -own[:, None] % multiple, mode)
        shape = [len(x), 1, *[1] * len(sizes)]
        shape[2 + axis] = place.shape[1]
        wide = list(x.shape)
        wide[2 + axis] = place.shape[1]
        index, inside = index.clamp(0, size - 1).view(shape), inside.view(shape)
        x = x.gather(2 + axis, index.expand(wide)).masked_fill(~inside, 0.0)
    return x


def _between_ends(
    x: Float[Tensor, "b c l"], before: int, after: int, mode: str, activation: Pointwise | None
) -> Float[Tensor, "b c m"]:
    """Along one axis of a signal that is long enough."""
    if torch.is_grad_enabled():
        start, end = _ends(x, before, after, mode)
        return torch.cat([start, x, end], dim=2)
    whole, inside = placed(x, before, after, activation)
    whole[..., :before], whole[..., before + x.shape[2] :] = _ends(inside, before, after, mode)
    return whole


def _ends(x: Float[Tensor, "b c l"], before: int, after: int, mode: str) -> tuple[Tensor, Tensor]:
    """What stands on either side of x; F.pad makes the whole anew, channels apart, and looks up every position."""
    if mode == "constant":
        return x.new_zeros(*x.shape[:2], before), x.new_zeros(*x.shape[:2], after)
    if mode == "replicate":
        return x[..., :1].expand(-1, -1, before), x[..., -1:].expand(-1, -1, after)
    return x[..., 1 : before + 1].flip(2), x[..., x.shape[2] - 1 - after : -1].flip(2)


def _sources(
    place: Int64[Tensor, "1 m"], own: Int64[Tensor, "b 1"], before: int, after: Int64[Tensor, "b 1"], mode: str
) -> tuple[Int64[Tensor, "b m"], Bool[Tensor, "b m"]]:
    """(which position of an item stands at each place, whether it is one of its values and not of its zeros)."""
    if mode == "replicate":
        index = torch.minimum(place.clamp(min=0), own - 1)
        return index, torch.ones_like(index, dtype=torch.bool)
    completed = torch.maximum(own, after.clamp(min=before) + 1)
    index = torch.where(place < 0, -place, place)
    index = torch.where(index >= completed, 2 * (completed - 1) - index, index)
    return index, (index >= 0) & (index < own)
