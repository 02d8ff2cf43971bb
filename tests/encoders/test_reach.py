"""How far codecs look, computed from their layers, is how far they are measured to look; and files of any length."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from published import codec
from quantizer_table import QUANTIZERS
from table import DECODERS, ENCODERS

from signaltok.decoders.codec import CodecDecoder
from signaltok.decoders.spectral import SpectralDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.encoders.spectral import SpectralEncoder
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.parts import Decoder, Encoder
from signaltok.tokenizer import Tokenizer


def pair(strides: list[int], padding: str, kernel: int, dilations: list[int]) -> tuple[CodecEncoder, CodecDecoder]:
    torch.manual_seed(0)
    return codec(
        channels=1,
        width=2,
        strides=strides,
        last_kernels=(3, 7),
        top=2 ** (len(strides) + 1),
        latent_dim=2,
        units=ResidualUnits(kernel=kernel, dilations=dilations, compress=1, shortcut=True),
        snake=False,
        convolutions=Convolutions(padding=padding, mode="constant", norm=None),
    )


def spectral(size: int, depth: int, kernel: int) -> tuple[SpectralEncoder, SpectralDecoder]:
    shape = {"channels": 1, "stride": 4, "size": size, "width": 4, "inner": 4, "depth": depth, "kernel": kernel}
    shape |= {"layer_scale": 1.0, "latent_dim": 2}
    return SpectralEncoder(**shape, axes=1, compression=0.5, floor=0.1, norms=True, gain=1.0), SpectralDecoder(
        **shape, final_norm=True, context=None
    )


def seen(part: Encoder | Decoder, size: int, outputs: slice) -> tuple[int, int]:
    """First and last input position with an effect on these outputs."""
    channels = part.channels if isinstance(part, Encoder) else part.latent_dim
    x = torch.randn(1, channels, size, dtype=torch.float64, requires_grad=True)
    part.double()(x, None)[..., outputs].square().sum().backward()
    places = x.grad[0].abs().sum(0).nonzero()[:, 0]
    return int(places.min()), int(places.max())


PAIRS = [
    lambda: pair([2], "same", 3, [1]),
    lambda: pair([2, 3], "same", 3, [1, 2]),
    lambda: pair([5, 2], "causal", 3, [1]),
    lambda: pair([4, 3], "causal", 7, [1, 3]),
    lambda: pair([3, 5], "same", 7, [1, 3, 9]),
    lambda: spectral(16, 1, 3),
    lambda: spectral(8, 2, 5),
]


@pytest.mark.parametrize("build", PAIRS)
def test_computed_is_measured(build):
    encoder, decoder = build()
    (stride,) = encoder.stride
    (reach,), (context,) = encoder.receptive_field, decoder.receptive_field
    cells = 2 * max(-(-reach // stride), context) + 3
    middle = cells // 2
    first, last = seen(encoder, cells * stride, slice(middle, middle + 1))
    assert max(middle * stride - first, last - (middle + 1) * stride + 1) == reach
    assert (first, last) == encoder.trunk.looks(middle, middle)
    places = middle * stride, (middle + 1) * stride - 1
    first, last = seen(decoder, cells, slice(places[0], places[1] + 1))
    assert max(middle - first, last - middle) == context
    assert (first, last) == decoder.trunk.looks(*places)
    if encoder.causal:
        assert last == middle


@pytest.mark.parametrize("name", ["codec lstm", "codec norm", "codec local"])
def test_no_end_is_none(name):
    assert ENCODERS[name]().receptive_field is None and DECODERS[name]().receptive_field is None
    assert ENCODERS[name]().causal is (name == "codec lstm")


@pytest.mark.parametrize("name", ["codec transformer", "spectral"])
def test_a_long_file_is_the_same_however_it_is_cut(name):
    torch.manual_seed(0)
    model = Tokenizer(
        encoder=ENCODERS[name](),
        quantizer=QUANTIZERS["rvq projected"].build(),
        decoder=DECODERS[name](),
        value_range=(-1.0, 1.0),
        block=400,
        sample_rate=None,
    ).train()
    signal = torch.rand(1, 3, 5003, generator=torch.Generator().manual_seed(0)) * 2 - 1
    model(signal)
    model.eval()
    stack = model.encode(signal)
    assert stack.levels[0].shape == (1, 1251) and model.decode(stack).shape == signal.shape
    for chunk in (48, 1000, 8000):
        assert all(
            torch.equal(a, b) for a, b in zip(model.encode(signal, chunk=chunk).levels, stack.levels, strict=True)
        )
        assert torch.equal(model.decode(stack, chunk=chunk), model.decode(stack))
    largest = []
    hook = model.encoder.trunk.stem.register_forward_hook(
        lambda layer, inputs, output: largest.append(output.shape[-1])
    )
    model.encode(signal)
    hook.remove()
    assert max(largest) <= 400 and len(largest) > 10


def test_the_spectral_encoder_refuses_a_gain_of_nothing():
    for gain in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"gain must be above 0 and finite, got {gain}"):
            SpectralEncoder(
                axes=1, channels=1, stride=2, size=4, compression=0.5, floor=0.1, width=4, inner=4, depth=1, kernel=3,
                layer_scale=1.0, norms=False, gain=gain, latent_dim=4,
            )  # fmt: skip


def test_the_spectral_encoder_refuses_pictures():
    with pytest.raises(ValueError, match="axes is 2, but a short-time Fourier transform goes over one"):
        SpectralEncoder(
            axes=2, channels=1, stride=2, size=4, compression=0.5, floor=0.1, width=4, inner=4, depth=1, kernel=3,
            layer_scale=1.0, norms=True, gain=1.0, latent_dim=4,
        )  # fmt: skip
