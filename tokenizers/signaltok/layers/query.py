"""A grid of patches and a sequence of tokens in one Transformer (TiTok: Yu et al. 2024, section 3.2)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from signaltok.layers.transformer import TransformerBlock, positions


def learned(rows: int, width: int) -> nn.Parameter:
    """Learned vectors [rows, width] of about length one, drawn apart from each other."""
    return nn.Parameter(torch.randn(rows, width) * width**-0.5)


def check_tokens(tokens: int) -> None:
    """Raise ValueError for a sequence without tokens."""
    if tokens < 1:
        raise ValueError(f"tokens must be at least 1, got {tokens}")


class QueryTransformer(nn.Module):
    """Blocks in which patches and tokens attend to one another, with a norm at the end.

    Patches have their coordinates added, as in GridTransformer, so any grid will do; tokens come with theirs.
    """

    def __init__(self, *, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(TransformerBlock(width=width, heads=heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        patches: Float[Tensor, "b d *l"],
        tokens: Float[Tensor, "b n d"],
        patch_mask: Bool[Tensor, "b 1 *l"] | None,
        token_mask: Bool[Tensor, "b 1 n"] | None,
    ) -> tuple[Float[Tensor, "b d *l"], Float[Tensor, "b n d"]]:
        """Both, same shapes. The masks say what may be attended to; None for all."""
        grid = tuple(patches.shape[2:])
        # In the parameters' precision, and with it the sum that the blocks add to: autocast is for their insides.
        precision = self.norm.weight.dtype
        places = positions(grid, self.width, patches.device).to(precision)
        x = torch.cat([patches.flatten(2).transpose(1, 2) + places, tokens.to(precision)], dim=1)
        valid = _together(patches, tokens, patch_mask, token_mask)
        for block in self.blocks:
            x = block(x, valid)
        x = self.norm(x)
        count = places.shape[0]
        return x[:, :count].transpose(1, 2).reshape(patches.shape), x[:, count:]


def _together(
    patches: Tensor, tokens: Tensor, patch_mask: Tensor | None, token_mask: Tensor | None
) -> Bool[Tensor, "b m"] | None:
    if patch_mask is None and token_mask is None:
        return None
    b, device = len(patches), patches.device
    all_patches = torch.ones(b, patches[0, 0].numel(), dtype=torch.bool, device=device)
    all_tokens = torch.ones(b, tokens.shape[1], dtype=torch.bool, device=device)
    parts = [
        all_patches if patch_mask is None else patch_mask.flatten(1),
        all_tokens if token_mask is None else token_mask.flatten(1),
    ]
    return torch.cat(parts, dim=1)
