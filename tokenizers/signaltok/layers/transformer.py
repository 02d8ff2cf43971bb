"""A pre-norm Transformer over a grid of any size (Vaswani et al. 2017; Dosovitskiy et al. 2021), no class token."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

MLP_RATIO = 4


def positions(grid: tuple[int, ...], width: int, device: torch.device) -> Float[Tensor, "n d"]:
    """Sines and cosines of each coordinate, an equal share of the width for each axis, in raster order.

    Vaswani et al. 2017, section 3.5, per axis; defined for every grid, so no table limits the size.
    """
    share = width // (2 * len(grid))
    rates = torch.exp(torch.arange(share, device=device) * (-math.log(10_000.0) / max(1, share)))
    axes = torch.meshgrid(*[torch.arange(n, device=device, dtype=torch.float32) for n in grid], indexing="ij")
    angles = torch.cat([axis.reshape(-1, 1) * rates for axis in axes], dim=1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def check_width(axes: int, width: int, heads: int) -> None:
    """Raise ValueError where the width does not divide among heads and positions."""
    if width % heads or width % (2 * axes):
        raise ValueError(
            f"width {width} must be a multiple of heads ({heads}) and of 2 x axes ({2 * axes}); "
            f"{math.lcm(heads, 2 * axes) * max(1, round(width / math.lcm(heads, 2 * axes)))} would do"
        )


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, MLP_RATIO * width), nn.GELU(), nn.Linear(MLP_RATIO * width, width))

    def forward(self, x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None) -> Float[Tensor, "b n d"]:
        """valid: the tokens that may be attended to; None for all."""
        b, n, d = x.shape
        parts = self.query_key_value(self.norm_attention(x)).view(b, n, 3, self.heads, d // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mask = None if valid is None else valid[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.project(mixed.transpose(1, 2).reshape(b, n, d))
        return x + self.mlp(self.norm_mlp(x))


class GridTransformer(nn.Module):
    """Blocks over all positions of a grid, with their coordinates added once and a norm at the end."""

    def __init__(self, *, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(TransformerBlock(width=width, heads=heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "b d *l"]:
        """Channels first in and out."""
        grid = tuple(x.shape[2:])
        tokens = x.flatten(2).transpose(1, 2)
        # In the parameters' precision, and with it the sum that the blocks add to: autocast is for their insides.
        tokens = tokens + positions(grid, self.width, x.device).to(self.norm.weight.dtype)
        valid = None if mask is None else mask.flatten(1)
        for block in self.blocks:
            tokens = block(tokens, valid)
        return self.norm(tokens).transpose(1, 2).reshape(x.shape)
