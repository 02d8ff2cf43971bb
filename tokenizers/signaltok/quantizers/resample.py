"""Moving a latent between its own grid and coarser ones, so that an item's values do not depend on its padding.

A coarse grid has ceil(n p / P) positions for n cells. Which cells a position stands for follows from p / P alone, not
from n: position i averages the cells floor(i P / p) to ceil((i + 1) P / p), and back, cell x reads the coarse grid at
(x + 1/2) p / P - 1/2. Only at an item's end is what lies beyond it left out (down) or its last position repeated (up).
Where n is a multiple of P this is "area" and "bicubic" resizing to n p / P positions and back, as libraries do it.
"""

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.types.token_stack import Share

UPSAMPLINGS = ("cubic", "nearest")
SHARPNESS = -0.75  # of the cubic kernel (Keys 1981, whose own best is -0.5; -0.75 is what image libraries take)
Taps = tuple[Tensor, Tensor]  # for every output position the inputs it reads, int64 [out, taps], and their weights


def down(x: Float[Tensor, "b c *l"], share: Share, extents: list[tuple[int, ...]]) -> Float[Tensor, "b c *coarse"]:
    """Averages of the cells of each coarse position; zeros beyond each item's extent, which may be every item's.

    extents: cells of each item per axis, or of all as one entry.
    """
    size = tuple(coarse_size(n, share) for n in x.shape[2:])
    return _along_axes(x, [tuple(_averages(n, share) for n in extent) for extent in extents], size)


def up(
    x: Float[Tensor, "b c *coarse"],
    share: Share,
    extents: list[tuple[int, ...]],
    size: tuple[int, ...],
    upsampling: str,
) -> Float[Tensor, "b c *l"]:
    """Back to `size` cells, by the cubic kernel or by repeating; zeros beyond each item's extent."""
    rule = _cubic if upsampling == "cubic" else _repeats
    return _along_axes(x, [tuple(rule(n, share) for n in extent) for extent in extents], size)


def coarse_size(cells: int, share: Share) -> int:
    """ceil(n p / P), as types.token_stack.grid_size."""
    return -(-cells * share[0] // share[1])


def _along_axes(x: Tensor, taps: list[tuple[Taps, ...]], sizes: tuple[int, ...]) -> Tensor:
    """Every axis of each item by its own taps, to the size given; a single entry serves all items."""
    for axis in range(x.ndim - 2):
        own, moved = [entry[axis] for entry in taps], x.movedim(2 + axis, -1)
        size, count = sizes[axis], own[0][0].shape[1]
        index = torch.zeros(len(own), size, count, dtype=torch.int64)
        weight = torch.zeros(len(own), size, count, dtype=torch.float64)
        for number, (reads, weights) in enumerate(own):
            index[number, : len(reads)], weight[number, : len(reads)] = reads, weights
        shape = (len(own), *[1] * (moved.ndim - 2), size * count)
        places = index.to(x.device).view(shape).expand(*moved.shape[:-1], size * count)
        read = moved.gather(-1, places).unflatten(-1, (size, count))
        x = (read * weight.to(x).view(*shape[:-1], size, count)).sum(-1).movedim(-1, 2 + axis)
    return x.contiguous()


@lru_cache(maxsize=256)
def _averages(cells: int, share: Share) -> Taps:
    p, P = share
    position = torch.arange(coarse_size(cells, share))
    first, last = position * P // p, (((position + 1) * P + p - 1) // p).clamp_max(cells)
    index = first[:, None] + torch.arange(-(-P // p) + 1)
    inside = index < last[:, None]
    return index.where(inside, torch.zeros_like(index)), inside.double() / (last - first)[:, None]


@lru_cache(maxsize=256)
def _repeats(cells: int, share: Share) -> Taps:
    index = torch.arange(cells)[:, None] * share[0] // share[1]
    return index, torch.ones(cells, 1, dtype=torch.float64)


@lru_cache(maxsize=256)
def _cubic(cells: int, share: Share) -> Taps:
    place = (torch.arange(cells).double() + 0.5) * share[0] / share[1] - 0.5
    index = place.floor().long()[:, None] + torch.arange(-1, 3)
    return index.clamp(0, coarse_size(cells, share) - 1), _kernel((place[:, None] - index).abs())


def _kernel(t: Tensor) -> Tensor:
    a = SHARPNESS
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    return torch.where(t <= 1, near, torch.where(t < 2, (((t - 5) * t + 8) * t - 4) * a, 0.0))
