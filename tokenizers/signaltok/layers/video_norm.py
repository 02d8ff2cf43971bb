"""Norms of videos that look at no more than a frame, so that nothing but what is meant to passes along time."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import SignalLayer

EPSILON = 1e-6


class ChannelNorm(SignalLayer):
    """Layer norm over the channels of each position (VidTok, Tang et al. 2024, section 3.1)."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b c t h w"]:  # noqa: ARG002
        """See SignalLayer."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class FrameNorm(SignalLayer):
    """Group norm (Wu and He 2018) within each frame: (x - mean) / sqrt(var + 1e-6) * weight + bias.

    Mean and variance are over the channels of a group and the valid positions of the frame. Cosmos has one group.
    """

    def __init__(self, *, width: int, groups: int) -> None:
        super().__init__()
        if groups < 1 or width % groups:
            raise ValueError(f"a width of {width} cannot be divided into {groups} groups of channels")
        self.groups = groups
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Float[Tensor, "b c t h w"], *, extent: Extent) -> Float[Tensor, "b c t h w"]:
        """See SignalLayer."""
        parts, over = x.unflatten(1, (self.groups, -1)), (2, 4, 5)
        mask = extent.mask(tuple(x.shape[2:]))
        if mask is None:
            variance, mean = torch.var_mean(parts, over, correction=0, keepdim=True)
        else:
            inside = mask[:, None]
            # A frame beyond its item's end has no valid position, and nothing reads it.
            count = (inside.sum(over, keepdim=True) * parts.shape[2]).clamp(min=1)
            mean = parts.masked_fill(~inside, 0.0).sum(over, keepdim=True) / count
            variance = (parts - mean).square().masked_fill(~inside, 0.0).sum(over, keepdim=True) / count
        normed = ((parts - mean) * (variance + EPSILON).rsqrt()).flatten(1, 2)
        return normed * self.weight[:, None, None, None] + self.bias[:, None, None, None]
