"""Patch tokens as the paper counts them, at every size."""

import pytest
import torch

from signaltok.decoders.vit import ViTDecoder
from signaltok.encoders.vit import ViTEncoder


def encoder(**changes: int) -> ViTEncoder:
    plain = {"axes": 2, "channels": 3, "stride": 16, "width": 16, "depth": 1, "heads": 2, "latent_dim": 6}
    return ViTEncoder(**plain | changes)


def test_224_pixels_at_patch_16_are_196_tokens():
    latent = encoder()(torch.zeros(1, 3, 224, 224), None)
    assert latent.flatten(2).shape == (1, 6, 196)


@pytest.mark.parametrize("size", [(16, 16), (1, 40), (33, 100)])
def test_any_size_is_rounded_up(size):
    latent = encoder()(torch.zeros(2, 3, *size), None)
    assert latent.shape == (2, 6, -(-size[0] // 16), -(-size[1] // 16))


def test_positions_distinguish_tokens():
    torch.manual_seed(0)
    latent = encoder()(torch.ones(1, 3, 48, 48), None).flatten(2)[0].T
    assert torch.cdist(latent, latent).fill_diagonal_(1).min() > 1e-3


def test_three_axes_decode_to_their_size():
    decoder = ViTDecoder(axes=3, channels=2, stride=4, width=12, depth=1, heads=2, latent_dim=5)
    assert decoder(torch.zeros(1, 5, 2, 3, 4), None).shape == (1, 2, 8, 12, 16)


def test_a_width_that_does_not_divide_is_refused_with_one_that_does():
    with pytest.raises(ValueError, match=r"width 18 must be a multiple of heads \(4\).* would do"):
        encoder(width=18, heads=4)
