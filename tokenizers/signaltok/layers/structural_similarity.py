"""Structural similarity of planes (Wang, Bovik, Sheikh, Simoncelli 2004, equation 13), for the metric and the term."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA = 11, 1.5  # of the Gaussian window, and the two constants of SSIM: the paper's values
K1, K2 = 0.01, 0.03


def structural_similarity(x: Float[Tensor, "n h w"], y: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """The mean of the SSIM map of each plane, values 0..1, in the precision given.

    The plane is mirrored at its edges, as torchmetrics has it: a border counts like the middle. Planes of at least
    WINDOW x WINDOW; who calls says so to the user.
    """
    maps = _window(torch.cat([x, y, x * x, y * y, x * y])).chunk(5)
    mean_x, mean_y = maps[0], maps[1]
    var_x, var_y, cov = maps[2] - mean_x**2, maps[3] - mean_y**2, maps[4] - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + K1**2) / (mean_x**2 + mean_y**2 + K1**2)
    structure = (2 * cov + K2**2) / (var_x + var_y + K2**2)
    return (luminance * structure).mean((1, 2))


def _window(maps: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Gaussian mean around every position; the window is a product of two.

    As products with banded matrices: torch has no fast float64 convolution.
    """
    maps = F.pad(maps, (WINDOW // 2,) * 4, mode="reflect")
    down, right = (_band(n, maps) for n in maps.shape[1:])
    return down @ maps @ right.T


def _band(size: int, like: Tensor) -> Float[Tensor, "valid size"]:
    """Row i holds the window's weights at i .. i + 10."""
    distance = torch.arange(WINDOW, dtype=like.dtype, device=like.device) - WINDOW // 2
    weights = torch.exp(-(distance**2) / (2 * SIGMA**2))
    valid = size - WINDOW + 1
    band = like.new_zeros(valid, size + 1)
    # Rows of size + 1 laid end to end, read with rows of size: each starts one further to the right.
    band[:, :WINDOW] = weights / weights.sum()
    return band.flatten()[: valid * size].view(valid, size)
