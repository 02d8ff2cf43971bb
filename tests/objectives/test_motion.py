"""The temporal difference: its closed form, blind to a constant error and to padding."""

import pytest
import torch

from signaltok.objectives.motion import MotionError
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction


def value(x, y, lengths=None):
    batch = Batch(signal=x, keys=tuple("ab"[: len(x)]), lengths=lengths)
    latent = torch.zeros(len(x), 1, 1)
    quantized = Quantized(z_q=latent, codes=())
    return MotionError()(batch, Reconstruction(signal=y, quantized=quantized, latent=latent, mask=None))


def test_a_constant_error_costs_nothing_and_a_flicker_twice_its_height():
    x = torch.rand(2, 3, 5, 4, 4)
    assert value(x, x + 0.25) < 1e-6
    flicker = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0]).view(1, 1, 5, 1, 1)
    assert value(x, x + 0.1 * flicker).item() == pytest.approx(0.2, rel=1e-5)


def test_padding_has_neither_value_nor_gradient():
    x, y = torch.rand(2, 3, 5, 4, 4), torch.rand(2, 3, 5, 4, 4)
    lengths = torch.tensor([[5, 4, 4], [3, 2, 4]])
    parts = [value(x[:1], y[:1]) * 4 * 16, value(x[1:, :, :3, :2], y[1:, :, :3, :2]) * 2 * 8]
    padded = y.clone()
    padded[1, :, 3:] = float("nan")
    padded.requires_grad_()
    together = value(x, padded, lengths)
    assert together.item() == pytest.approx(float(sum(parts)) / (4 * 16 + 2 * 8), rel=1e-5)
    together.backward()
    assert padded.grad.isfinite().all() and not padded.grad[1, :, 3:].any()


def test_single_frames_have_no_motion_and_pictures_are_refused():
    x, y = torch.rand(1, 3, 1, 4, 4), torch.rand(1, 3, 1, 4, 4, requires_grad=True)
    none = value(x, y)
    none.backward()
    assert none == 0 and not y.grad.any()
    alone = value(x, y.detach().requires_grad_(), torch.tensor([[1, 4, 4]]))
    assert alone == 0
    with pytest.raises(ValueError, match="needs videos"):
        value(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4))
