"""The convolutional encoder: what it computes, how far it looks, which sizes it takes, and what padding does."""

import pytest
import torch
from benchmarks import plain_image
from torch import nn

from signaltok.encoders.conv import ConvEncoder

SHAPES = [(4, [6], 1), (4, [6, 8], 2), (8, [6, 6, 6], 1)]


@pytest.mark.parametrize(("stride", "widths", "depth"), SHAPES)
def test_it_looks_exactly_as_far_as_it_says(stride, widths, depth):
    torch.manual_seed(0)
    part = ConvEncoder(axes=1, channels=1, stride=stride, widths=widths, depth=depth, latent_dim=3).double()
    (reach,), cell = part.receptive_field, 12
    signal = torch.randn(1, 1, 25 * stride, dtype=torch.float64)
    edges = cell * stride - reach, (cell + 1) * stride - 1 + reach
    with torch.no_grad():
        latent = part(signal, None)[..., cell]
        for position in range(signal.shape[2]):
            moved = signal.clone()
            moved[..., position] += 1
            seen = not torch.equal(part(moved, None)[..., cell], latent)
            assert seen == (edges[0] <= position <= edges[1]), position


@pytest.mark.parametrize("axes", [2, 3])
def test_it_looks_as_far_on_every_axis(axes):
    torch.manual_seed(0)
    part = ConvEncoder(axes=axes, channels=1, stride=2, widths=[3, 4], depth=1, latent_dim=2).double()
    size, cell = 22, 5
    signal = torch.randn(1, 1, *[size] * axes, dtype=torch.float64, requires_grad=True)
    part(signal, None)[(0, slice(None), *[cell] * axes)].sum().backward()
    for axis, reach in enumerate(part.receptive_field):
        seen = signal.grad[0, 0].movedim(axis, 0).flatten(1).abs().sum(1).nonzero()[:, 0]
        assert (int(seen.min()), int(seen.max())) == (cell * 2 - reach, cell * 2 + 1 + reach)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("rubbish", [1.0, float("nan")])
def test_padding_of_a_batch_changes_nothing_whatever_it_holds(axes, rubbish):
    torch.manual_seed(0)
    part = ConvEncoder(axes=axes, channels=2, stride=4, widths=[4, 6], depth=1, latent_dim=3).double()
    size, own = (17, 9, 12)[:axes], (6, 9, 3)[:axes]
    signal = torch.full((2, 2, *size), rubbish, dtype=torch.float64)
    signal[0] = torch.randn(2, *size, dtype=torch.float64)
    item = torch.randn(1, 2, *own, dtype=torch.float64)
    signal[(slice(1, 2), slice(None), *map(slice, own))] = item
    latent, alone = part(signal, torch.tensor([size, own])), part(item, None)
    together = latent[(slice(1, 2), slice(None), *map(slice, alone.shape[2:]))]
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    torch.testing.assert_close(latent[:1], part(signal[:1], None), rtol=0, atol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_any_size_is_rounded_up(axes):
    part = ConvEncoder(axes=axes, channels=2, stride=4, widths=[4, 4], depth=1, latent_dim=3)
    size = (9, 4, 6)[:axes]
    assert part(torch.zeros(1, 2, *size), None).shape == (1, 3, *[-(-n // 4) for n in size])


def test_the_quickstart_encoder_is_the_plain_scripts():
    torch.manual_seed(0)
    part = ConvEncoder(axes=2, channels=3, stride=8, widths=[96, 160], depth=2, latent_dim=8)
    plain = plain_image.encoder(8)
    assert sum(p.numel() for p in part.parameters()) == sum(p.numel() for p in plain.parameters())
    fine, coarse = part.stages
    layers = [part.stem, *fine, *part.down, *coarse, part.project]
    for own, theirs in zip(layers, [m for m in plain if not isinstance(m, nn.PixelUnshuffle)], strict=True):
        theirs.load_state_dict(own.state_dict())
    signal = torch.randn(2, 3, 32, 24)
    torch.testing.assert_close(part(signal, None), plain(signal))


@pytest.mark.parametrize("stride", [6, 2, 0, -4])
def test_an_unreachable_stride_is_refused(stride):
    with pytest.raises(ValueError, match=rf"stride {stride} cannot be reached with widths \[4, 4, 4\].*multiple of 4"):
        ConvEncoder(axes=2, channels=3, stride=stride, widths=[4, 4, 4], depth=1, latent_dim=3)


def test_a_number_of_axes_without_convolutions_is_refused():
    with pytest.raises(ValueError, match="axes must be 1"):
        ConvEncoder(axes=4, channels=3, stride=4, widths=[4], depth=1, latent_dim=3)
