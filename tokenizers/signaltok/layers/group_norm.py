"""Group norm with one group over all channels and positions of an item (Wu and He 2018), blind to padding."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from signaltok.layers.extent import Extent

EPSILON = 1e-5


class TimeGroupNorm(nn.Module):
    """(x - mean) / sqrt(var + 1e-5) * weight + bias; mean and variance over the valid positions of each item."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b c *l"]:
        """Same shape."""
        mask = extent.mask(tuple(x.shape[2:]))
        if mask is None:
            return nn.functional.group_norm(x, 1, self.weight, self.bias, EPSILON)
        axes = tuple(range(1, x.ndim))
        count = mask.sum(axes, keepdim=True) * x.shape[1]
        inside = x.masked_fill(~mask, 0.0)
        mean = inside.sum(axes, keepdim=True) / count
        variance = (inside - mean).square().masked_fill(~mask, 0.0).sum(axes, keepdim=True) / count
        shape = (1, -1, *[1] * (x.ndim - 2))
        return (inside - mean) * (variance + EPSILON).rsqrt() * self.weight.view(shape) + self.bias.view(shape)
