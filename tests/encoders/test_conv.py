"""The declared receptive field is exact: nothing beyond it is seen, and its edge is."""

import pytest
import torch

from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder

SHAPES = [(4, [6], 1), (4, [6, 8], 2), (8, [6, 6, 6], 1)]


@pytest.mark.parametrize(("stride", "widths", "depth"), SHAPES)
def test_encoder_looks_exactly_as_far_as_it_says(stride, widths, depth):
    torch.manual_seed(0)
    part = ConvEncoder(axes=1, channels=1, stride=stride, widths=widths, depth=depth, latent_dim=3).double()
    (reach,), cell = part.receptive_field, 12
    signal = torch.randn(1, 1, 25 * stride, dtype=torch.float64, requires_grad=True)
    part(signal, None)[0, :, cell].sum().backward()
    seen = signal.grad[0, 0].nonzero()[:, 0]
    assert (int(seen.min()), int(seen.max())) == (cell * stride - reach, (cell + 1) * stride - 1 + reach)


@pytest.mark.parametrize(("stride", "widths", "depth"), SHAPES)
def test_decoder_looks_exactly_as_far_as_it_says(stride, widths, depth):
    torch.manual_seed(0)
    part = ConvDecoder(axes=1, channels=1, stride=stride, widths=widths[::-1], depth=depth, latent_dim=3).double()
    (reach,), cell = part.receptive_field, 12
    z_q = torch.randn(1, 3, 25, dtype=torch.float64, requires_grad=True)
    part(z_q, None)[0, :, cell * stride : (cell + 1) * stride].square().sum().backward()
    seen = z_q.grad[0].abs().sum(0).nonzero()[:, 0]
    assert (int(seen.min()), int(seen.max())) == (cell - reach, cell + reach)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_any_size_comes_back_rounded_up(axes):
    encoder = ConvEncoder(axes=axes, channels=2, stride=4, widths=[4, 4], depth=1, latent_dim=3)
    decoder = ConvDecoder(axes=axes, channels=2, stride=4, widths=[4, 4], depth=1, latent_dim=3)
    size = (9, 4, 6)[:axes]
    latent = encoder(torch.zeros(1, 2, *size), None)
    assert latent.shape == (1, 3, *[-(-n // 4) for n in size])
    assert decoder(latent, None).shape == (1, 2, *[-(-n // 4) * 4 for n in size])


def test_an_unreachable_stride_is_refused():
    with pytest.raises(ValueError, match=r"stride 6 cannot be reached with widths \[4, 4, 4\].*multiple of 4"):
        ConvEncoder(axes=2, channels=3, stride=6, widths=[4, 4, 4], depth=1, latent_dim=3)
    with pytest.raises(ValueError, match="axes must be 1"):
        ConvEncoder(axes=4, channels=3, stride=4, widths=[4], depth=1, latent_dim=3)
