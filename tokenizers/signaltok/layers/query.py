"""A grid of patches and a sequence of tokens in one Transformer (TiTok: Yu et al. 2024, section 3.2)."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.layers.transformer import TransformerBlock, coordinates, sinusoids

PRIMES = (2, 3, 5)  # one an axis, for the Halton sequence
SLOPES = (0.5, 0.05)  # of the first and the last head, a square cell


def learned(rows: int, width: int) -> nn.Parameter:
    """Learned vectors [rows, width] of about length one, drawn apart from each other."""
    return nn.Parameter(torch.randn(rows, width) * width**-0.5)


def token_points(tokens: int, grid: Int64[Tensor, "b axes"]) -> Float[Tensor, "b n axes"]:
    """Where in a picture of grid cells each token starts to look, in cells: a Halton sequence over it.

    The first n points of that sequence are spread evenly over the picture for every n, so that a prefix is, too.
    """
    bases = PRIMES[: grid.shape[-1]]
    points = torch.tensor([[_radical_inverse(n, base) for base in bases] for n in range(1, tokens + 1)])
    return points.to(grid.device) * grid[:, None, :] - 0.5


def _radical_inverse(number: int, base: int) -> float:
    """The digits of the number mirrored at the point (Halton 1960)."""
    value, share = 0.0, 1.0
    while number:
        share /= base
        value += share * (number % base)
        number //= base
    return value


def check_tokens(tokens: int) -> None:
    """Raise ValueError for a sequence without tokens."""
    if tokens < 1:
        raise ValueError(f"tokens must be at least 1, got {tokens}")


class QueryTransformer(nn.Module):
    """Blocks in which patches and tokens attend to one another, with a norm at the end.

    Patches and tokens have places: they add the sinusoids of theirs, and each head sees less of what is farther away,
    by a slope of its own times the square of the distance in cells (after Press et al. 2022, ALiBi, on a line).
    TiTok's queries are learned from nothing. In runs of minutes attention does not find out by itself which token is to
    hold what; from a place on, learned vectors and attention lead a token wherever it is needed.
    """

    slopes: Tensor

    def __init__(self, *, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.width = width
        self.blocks = nn.ModuleList(TransformerBlock(width=width, heads=heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        steepest, flattest = SLOPES
        slopes = [steepest * (flattest / steepest) ** (n / max(1, heads - 1)) for n in range(heads)]
        self.register_buffer("slopes", torch.tensor(slopes), persistent=False)

    def forward(
        self,
        patches: Float[Tensor, "b d *l"],
        tokens: Float[Tensor, "#b n d"],
        points: Float[Tensor, "#b n axes"],
        patch_mask: Bool[Tensor, "b 1 *l"] | None,
        token_mask: Bool[Tensor, "b 1 n"] | None,
    ) -> tuple[Float[Tensor, "b d *l"], Float[Tensor, "b n d"]]:
        """Both, same shapes. points: the tokens' places in cells. Masks say what may be attended to; None for all."""
        grid = tuple(patches.shape[2:])
        # In the parameters' precision, and with it the sum that the blocks add to: autocast is for their insides.
        precision = self.norm.weight.dtype
        cells = coordinates(grid, patches.device)
        content = patches.flatten(2).transpose(1, 2) + sinusoids(cells, self.width).to(precision)
        placed = (tokens + sinusoids(points, self.width)).to(precision).expand(len(patches), -1, -1)
        x = torch.cat([content, placed], dim=1)
        attended = self._attended(cells, points, _together(patches, placed, patch_mask, token_mask)).to(precision)
        for block in self.blocks:
            x = block(x, attended)
        x = self.norm(x)
        count = len(cells)
        return x[:, :count].transpose(1, 2).reshape(patches.shape), x[:, count:]

    def _attended(
        self,
        cells: Float[Tensor, "m axes"],
        points: Float[Tensor, "#b n axes"],
        valid: Bool[Tensor, "b k"] | None,
    ) -> Float[Tensor, "#b h k k"]:
        places = torch.cat([cells.expand(len(points), -1, -1), points], dim=1)
        squares = (places[:, :, None] - places[:, None]).square().sum(-1)
        logits = -self.slopes[:, None, None] * squares[:, None]
        return logits if valid is None else logits.masked_fill(~valid[:, None, None, :], float("-inf"))


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
