"""The convolutional decoder: what it computes, how far it looks, and what padding does."""

import pytest
import torch
from benchmarks import plain_image
from torch import nn

from signaltok.decoders.conv import ConvDecoder

SHAPES = [(4, [6], 1), (4, [8, 6], 2), (8, [6, 6, 6], 1), (16, [4, 4, 4, 4], 3)]


@pytest.mark.parametrize(("stride", "widths", "depth"), SHAPES)
def test_it_looks_exactly_as_far_as_it_says(stride, widths, depth):
    torch.manual_seed(0)
    part = ConvDecoder(axes=1, channels=1, stride=stride, widths=widths, depth=depth, latent_dim=3).double()
    (reach,), cell = part.receptive_field, 12
    z_q = torch.randn(1, 3, 25, dtype=torch.float64)
    with torch.no_grad():
        signal = part(z_q, None)[..., cell * stride : (cell + 1) * stride]
        for position in range(25):
            moved = z_q.clone()
            moved[..., position] += 1
            seen = not torch.equal(part(moved, None)[..., cell * stride : (cell + 1) * stride], signal)
            assert seen == (abs(position - cell) <= reach), position


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("rubbish", [1.0, float("nan")])
def test_padding_of_a_batch_changes_nothing_whatever_it_holds(axes, rubbish):
    torch.manual_seed(0)
    part = ConvDecoder(axes=axes, channels=2, stride=4, widths=[6, 4], depth=1, latent_dim=3).double()
    size, own = (5, 4, 6)[:axes], (2, 4, 3)[:axes]
    z_q = torch.full((2, 3, *size), rubbish, dtype=torch.float64)
    z_q[0] = torch.randn(3, *size, dtype=torch.float64)
    item = torch.randn(1, 3, *own, dtype=torch.float64)
    z_q[(slice(1, 2), slice(None), *map(slice, own))] = item
    signal, alone = part(z_q, torch.tensor([size, own])), part(item, None)
    together = signal[(slice(1, 2), slice(None), *map(slice, alone.shape[2:]))]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    torch.testing.assert_close(signal[:1], part(z_q[:1], None), rtol=0, atol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_latent_position_becomes_a_cell(axes):
    part = ConvDecoder(axes=axes, channels=2, stride=4, widths=[4, 4], depth=1, latent_dim=3)
    grid = (3, 1, 2)[:axes]
    assert part(torch.zeros(1, 3, *grid), None).shape == (1, 2, *[n * 4 for n in grid])


def test_the_quickstart_decoder_is_the_plain_scripts():
    torch.manual_seed(0)
    part = ConvDecoder(axes=2, channels=3, stride=8, widths=[160, 96], depth=2, latent_dim=8)
    plain = plain_image.decoder(8)
    assert sum(p.numel() for p in part.parameters()) == sum(p.numel() for p in plain.parameters())
    coarse, fine = part.stages
    layers = [part.stem, *coarse, *part.up, *fine, part.project]
    for own, theirs in zip(layers, [m for m in plain if not isinstance(m, nn.PixelShuffle)], strict=True):
        theirs.load_state_dict(own.state_dict())
    z_q = torch.randn(2, 8, 4, 3)
    torch.testing.assert_close(part(z_q, None), plain(z_q))


@pytest.mark.parametrize("stride", [6, 2, 0, -4])
def test_an_unreachable_stride_is_refused(stride):
    with pytest.raises(ValueError, match=rf"stride {stride} cannot be reached with widths \[4, 4, 4\].*multiple of 4"):
        ConvDecoder(axes=2, channels=3, stride=stride, widths=[4, 4, 4], depth=1, latent_dim=3)
