"""Lower precision is asked, before a run's first step, whether it computes what float32 does."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from quantizer_table import QUANTIZERS
from table import DECODERS, ENCODERS
from torch import nn

from signaltok.layers.convolution import Convolution, TransposedConvolution
from signaltok.layers.extent import Extent
from signaltok.tokenizer import Tokenizer
from signaltok.training.autocast_check import complaint, deviations

WHOLE = Extent(None, None)
SHAPE = {"axes": 1, "groups": 1, "bias": True, "padding": "causal", "norm": "weight"}


def tokenizer(name: str) -> Tokenizer:
    torch.manual_seed(0)
    return Tokenizer(
        encoder=ENCODERS[name](), quantizer=QUANTIZERS["fsq"].build(), decoder=DECODERS[name](),
        value_range=(-1.0, 1.0), block=400, sample_rate=None,
    ).train()  # fmt: skip


class Wrong(nn.Module):
    """Right in float32, noise in anything less."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.dtype == torch.float32 else x + 10 * torch.randn_like(x)


def test_rounding_is_no_reason_to_complain_and_the_mode_is_kept():
    model, signal = tokenizer("spectral"), torch.rand(2, 3, 800) - 0.5
    far = deviations(model, signal, torch.tensor([[800], [500]]), torch.bfloat16)
    assert set(far) == {"latent", "reconstruction", "gradient"} and all(0 < value < 0.1 for value in far.values())
    assert complaint(model, signal, None, torch.bfloat16) is None and model.training
    assert not any(parameter.grad is not None for parameter in model.parameters())


def test_noise_is():
    model = tokenizer("conv")
    model.decoder.project = nn.Sequential(model.decoder.project, Wrong())
    words = complaint(model, torch.rand(2, 3, 24, 24) - 0.5, None, torch.bfloat16)
    assert "in bfloat16 the first batch is far from what it is in float32" in words
    assert "reconstruction" in words and "Set optimization.autocast=null" in words and "latent" not in words


# Wrong in bfloat16 where a CPU has AMX: oneDNN's, as of torch 2.14.1. The first three are a codec's.
@pytest.mark.parametrize("channels", [16, 24, 48])
@pytest.mark.parametrize(("kernel", "stride"), [(8, 4), (4, 4), (16, 8), (10, 5)])
@pytest.mark.parametrize("kind", [Convolution, TransposedConvolution])
def test_convolutions_under_autocast_are_those_of_float32(kind, channels, kernel, stride):
    torch.manual_seed(0)
    inputs, outputs = (channels, 32) if kind is Convolution else (32, channels)
    extra = {"dilation": 1, "mode": "constant"} if kind is Convolution else {}
    layer = kind(inputs=inputs, outputs=outputs, kernel=kernel, stride=stride, **SHAPE, **extra)
    x = torch.randn(2, inputs, 1000, requires_grad=True)
    found = []
    for low in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            y = layer(x, extent=WHOLE)
        slopes = torch.autograd.grad(y.float().square().sum(), [x, *layer.parameters()])
        found.append([y.detach().float(), *slopes])
    for exact, rounded in zip(*found, strict=True):
        assert (exact - rounded).norm() < 0.05 * exact.norm()
