"""Space to depth and back over any number of axes (Shi et al. 2016, sub-pixel convolution, for two)."""

from math import prod

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def patch_of(stride: int, widths: list[int]) -> int:
    """Side of the patches at the signal's end: the stride less one factor of two between each two widths."""
    factor = 2 ** max(0, len(widths) - 1)
    if not widths or stride < factor or stride % factor:
        raise ValueError(
            f"stride {stride} cannot be reached with widths {widths}: each width after the first is a factor of two "
            f"between signal and latent, so stride must be a positive multiple of {factor}, and widths not empty"
        )
    return stride // factor


def space_to_depth(x: Float[Tensor, "b c *s"], factor: int) -> Float[Tensor, "b c_out *l"]:
    """[b, c, *s] -> [b, c * factor^axes, *s / factor]; every s a multiple of factor."""
    if x.ndim == 4:
        return F.pixel_unshuffle(x, factor)
    b, c, *sizes = x.shape
    axes = len(sizes)
    split = x.reshape(b, c, *[v for n in sizes for v in (n // factor, factor)])
    order = [0, 1, *range(3, 3 + 2 * axes, 2), *range(2, 2 + 2 * axes, 2)]
    return split.permute(order).reshape(b, c * factor**axes, *[n // factor for n in sizes])


def depth_to_space(x: Float[Tensor, "b c_in *l"], factor: int) -> Float[Tensor, "b c *s"]:
    """The inverse of space_to_depth."""
    if x.ndim == 4:
        return F.pixel_shuffle(x, factor)
    b, _, *sizes = x.shape
    axes = len(sizes)
    c = x.shape[1] // prod([factor] * axes)
    split = x.reshape(b, c, *[factor] * axes, *sizes)
    order = [0, 1, *[v for n in range(axes) for v in (2 + axes + n, 2 + n)]]
    return split.permute(order).reshape(b, c, *[n * factor for n in sizes])


def pad_to_multiple(x: Float[Tensor, "b c *s"], factor: int) -> Float[Tensor, "b c *padded"]:
    """Zeros at the end of every axis up to the next multiple of factor."""
    amounts = [-n % factor for n in x.shape[2:]]
    return F.pad(x, [v for n in reversed(amounts) for v in (0, n)]) if any(amounts) else x
