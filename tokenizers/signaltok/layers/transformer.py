"""A pre-norm Transformer over a grid of any size (Vaswani et al. 2017; Dosovitskiy et al. 2021), no class token."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

MLP_RATIO = 4
POSITION_SCALE = 0.2  # of the coordinates, beside patches of about one a channel, which they shall not drown
BRANCH_SCALE = 0.1  # of what a block adds, at the start


def sinusoids(places: Float[Tensor, "*n axes"], width: int) -> Float[Tensor, "*n d"]:
    """Sines and cosines of each coordinate, an equal share of the width for each axis (Vaswani et al. 2017, 3.5)."""
    share = width // (2 * places.shape[-1])
    rates = torch.exp(torch.arange(share, device=places.device) * (-math.log(10_000.0) / max(1, share)))
    angles = (places[..., None] * rates).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def coordinates(grid: tuple[int, ...], device: torch.device) -> Float[Tensor, "n axes"]:
    """Of every cell in raster order; any grid will do, so no table limits the size."""
    axes = torch.meshgrid(*[torch.arange(n, device=device, dtype=torch.float32) for n in grid], indexing="ij")
    return torch.stack([axis.reshape(-1) for axis in axes], dim=-1)


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

    @torch.no_grad()
    def begin_small(self) -> None:
        """Shrink what the block adds: patches pass nearly as they are, and details with them, from the first step on.

        After the residual branches that start at nothing of Fixup (Zhang et al. 2019); not quite nothing here, so that
        every parameter learns from the first step.
        """
        for last in (self.project, self.mlp[-1]):
            assert isinstance(last, nn.Linear)
            last.weight.mul_(BRANCH_SCALE)
            last.bias.zero_()

    def forward(
        self, x: Float[Tensor, "b n d"], attended: Bool[Tensor, "b 1 1 n"] | Float[Tensor, "#b h n n"] | None
    ) -> Float[Tensor, "b n d"]:
        """attended: which tokens may be attended to, or what is added to each head's logits; None for all alike."""
        b, n, d = x.shape
        parts = self.query_key_value(self.norm_attention(x)).view(b, n, 3, self.heads, d // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=attended)
        x = x + self.project(mixed.transpose(1, 2).reshape(b, n, d))
        return x + self.mlp(self.norm_mlp(x))


class GridTransformer(nn.Module):
    """Blocks over all positions of a grid, with their coordinates added once and a norm at the end."""

    def __init__(self, *, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(TransformerBlock(width=width, heads=heads) for _ in range(depth))
        for block in self.blocks:
            block.begin_small()  # type: ignore[operator]
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "b d *l"]:
        """Channels first in and out."""
        grid = tuple(x.shape[2:])
        tokens = x.flatten(2).transpose(1, 2)
        # In the parameters' precision, and with it the sum that the blocks add to: autocast is for their insides.
        places = POSITION_SCALE * sinusoids(coordinates(grid, x.device), self.width)
        tokens = tokens + places.to(self.norm.weight.dtype)
        attended = None if mask is None else mask.flatten(1)[:, None, None, :]
        for block in self.blocks:
            tokens = block(tokens, attended)
        return self.norm(tokens).transpose(1, 2).reshape(x.shape)
