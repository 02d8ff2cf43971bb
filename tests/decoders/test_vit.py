"""The Transformer decoder: patches of pixels from tokens, at every size."""

import torch

from signaltok.decoders.vit import ViTDecoder


def decoder(axes: int, width: int) -> ViTDecoder:
    torch.manual_seed(0)
    return ViTDecoder(axes=axes, channels=2, stride=4, width=width, depth=1, heads=2, latent_dim=5)


def test_three_axes_decode_to_their_size():
    assert decoder(3, 12)(torch.zeros(1, 5, 2, 3, 4), None).shape == (1, 2, 8, 12, 16)


def test_every_token_is_seen_everywhere():
    part, z_q = decoder(2, 8).double(), torch.randn(1, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    part(z_q, None)[0, 0, 0, 0].backward()
    assert part.receptive_field is None and z_q.grad[0].abs().sum(0).all()


def test_padding_of_a_batch_changes_nothing_whatever_it_holds():
    part = decoder(1, 8).double()
    z_q = torch.randn(2, 5, 7, dtype=torch.float64)
    z_q[1, :, 3:] = float("nan")
    signal = part(z_q, torch.tensor([[7], [3]]))
    torch.testing.assert_close(signal[1:, :, :12], part(z_q[1:, :, :3], None), rtol=0, atol=1e-12)
