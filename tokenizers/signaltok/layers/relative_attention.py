"""Attention that knows how far apart two positions are (Dai et al. 2019, Transformer-XL, section 3.3).

The score of query i for key j is ((q_i + u) k_j + (q_i + v) r_(i-j)) / sqrt(width of a head), r a linear map of sines.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F


class RelativeAttention(nn.Module):
    """Every position of an item attends to every other of its valid ones."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width {width} cannot be cut into {heads} heads of an even width")
        self.heads = heads
        self.queries, self.keys, self.values, self.out = (nn.Linear(width, width) for _ in range(4))
        self.positions = nn.Linear(width, width, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(heads, width // heads))
        self.position_bias = nn.Parameter(torch.zeros(heads, width // heads))

    def forward(self, x: Float[Tensor, "b l d"], mask: Bool[Tensor, "b 1 l"] | None) -> Float[Tensor, "b l d"]:
        """mask: which positions are valid; None for all."""
        b, length, width = x.shape
        q, k, v = (
            layer(x).view(b, length, self.heads, -1).transpose(1, 2) for layer in (self.queries, self.keys, self.values)
        )
        sines = _sines(length, width, x)  # of the distances length - 1 to 1 - length
        r = self.positions(sines).view(2 * length - 1, self.heads, -1).transpose(0, 1)
        by_distance = (q + self.position_bias[:, None]) @ r.transpose(1, 2)  # [b, heads, l, 2 l - 1]
        place = torch.arange(length, device=x.device)
        distances = (length - 1) - (place[:, None] - place)  # of query i and key j: the row of the distance i - j
        bias = by_distance.gather(3, distances.expand(b, self.heads, length, length)) / math.sqrt(q.shape[-1])
        if mask is not None:
            bias = bias.masked_fill(~mask[:, None], float("-inf"))
        y = F.scaled_dot_product_attention(q + self.content_bias[:, None], k, v, attn_mask=bias)
        return self.out(y.transpose(1, 2).reshape(b, length, width))


def _sines(length: int, width: int, like: Tensor) -> Float[Tensor, "n d"]:
    distances = torch.arange(length - 1, -length, -1, device=like.device, dtype=like.dtype)
    rates = torch.exp(torch.arange(0, width, 2, device=like.device, dtype=like.dtype) * (-math.log(10_000.0) / width))
    angles = distances[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
