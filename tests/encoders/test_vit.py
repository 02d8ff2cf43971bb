"""Patch tokens as the paper counts them, at every size."""

import pytest
import torch

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


def test_padding_of_a_batch_changes_nothing_whatever_it_holds():
    torch.manual_seed(0)
    part = encoder().double()
    signal = torch.randn(2, 3, 48, 64, dtype=torch.float64)
    signal[1, :, 20:] = float("nan")
    signal[1, :, :, 33:] = float("nan")
    latent = part(signal, torch.tensor([[48, 64], [20, 33]]))
    torch.testing.assert_close(latent[1:, :, :2, :3], part(signal[1:, :, :20, :33], None), rtol=0, atol=1e-12)


def test_every_token_sees_the_whole_signal():
    torch.manual_seed(0)
    part, signal = encoder(stride=4).double(), torch.randn(1, 3, 8, 12, dtype=torch.float64, requires_grad=True)
    part(signal, None)[0, 0, 0, 0].backward()
    assert part.receptive_field is None and signal.grad.abs().sum(1).all()


def test_a_width_that_does_not_divide_is_refused_with_one_that_does():
    with pytest.raises(ValueError, match=r"width 18 must be a multiple of heads \(4\).* would do"):
        encoder(width=18, heads=4)
