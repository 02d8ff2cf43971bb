"""Resampling between a latent's grid and coarser ones: equal to the usual one, and blind to padding."""

import pytest
import torch
from torch.nn import functional as F

from signaltok.quantizers.resample import coarse_size, down, up

VAR = (1, 2, 3, 4, 5, 6, 8, 10, 13)


@pytest.mark.parametrize("side", VAR)
def test_at_var_s_own_size_it_is_area_and_bicubic_resizing(side: int) -> None:
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    coarse = F.interpolate(x, size=(side, side), mode="area")
    assert torch.allclose(down(x, (side, 16), [(16, 16)]), coarse, atol=1e-12)
    fine = F.interpolate(coarse, size=(16, 16), mode="bicubic")
    assert torch.allclose(up(coarse, (side, 16), [(16, 16)], (16, 16), "cubic"), fine, atol=1e-12)


@pytest.mark.parametrize("share", [(1, 2), (1, 4), (3, 8), (13, 16), (5, 7)])
@pytest.mark.parametrize("upsampling", ["cubic", "nearest"])
def test_an_item_in_a_padded_batch_is_the_item_alone(share, upsampling: str) -> None:
    x, extents = torch.randn(3, 2, 11, 9), [(10, 9), (5, 8), (1, 3)]  # no item is as high as the batch
    x[0, :, 10:] = 0
    x[1, :, 5:], x[1, :, :, 8:], x[2, :, 1:], x[2, :, :, 3:] = 0, 0, 0, 0
    coarse = down(x, share, extents)
    assert coarse.shape == (3, 2, coarse_size(11, share), coarse_size(9, share))
    fine = up(coarse, share, extents, tuple(x.shape[2:]), upsampling)
    assert fine.shape == x.shape
    for number, extent in enumerate(extents):
        item = x[number : number + 1, :, : extent[0], : extent[1]]
        alone = down(item, share, [extent])
        size = tuple(coarse_size(n, share) for n in extent)
        assert torch.equal(coarse[number, :, : size[0], : size[1]], alone[0])
        assert torch.equal(fine[number, :, : extent[0], : extent[1]], up(alone, share, [extent], extent, upsampling)[0])
        beyond = fine[number].clone()
        beyond[:, : extent[0], : extent[1]] = 0
        assert not beyond.any()


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_repeating_is_what_averaging_undoes(axes: int) -> None:
    coarse = torch.randn(2, 3, *(4, 2, 3)[:axes])
    extents = [tuple(3 * n for n in coarse.shape[2:])]
    fine = up(coarse, (1, 3), extents, extents[0], "nearest")
    assert torch.equal(fine, coarse.repeat_interleave(3, 2) if axes == 1 else fine)
    assert torch.allclose(down(fine, (1, 3), extents), coarse, atol=1e-6)


def test_constants_stay_constant() -> None:
    for share in ((1, 4), (3, 8), (13, 16)):
        x = torch.ones(1, 1, 7, 10, dtype=torch.float64)
        coarse = down(x, share, [(7, 10)])
        assert torch.allclose(coarse, torch.ones_like(coarse))
        assert torch.allclose(up(coarse, share, [(7, 10)], (7, 10), "cubic"), x)
