import pytest
import torch

from signaltok.decoders.codec import CodecDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.layers.activation import Elu, Snake
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.even_start import start_evenly
from signaltok.layers.extent import Extent
from signaltok.layers.lstm import Lstm
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.layers.signal_layer import Chain

CODEC = {
    "axes": 1,
    "channels": 1,
    "width": 8,
    "strides": [4, 4, 5, 4],
    "kernel": 7,
    "last_kernel": 7,
    "depthwise": False,
    "units": ResidualUnits(kernel=3, dilations=[1], compress=2, shortcut=True),
    "activation": Elu(),
    "convolutions": Convolutions(padding="causal", mode="reflect", norm="weight"),
    "latent_layers": None,
    "latent_dim": 32,
}


def evenly(layer):
    torch.manual_seed(0)
    network = Chain(layers={"layer": layer})
    start_evenly(network, 1.0)
    return network


@pytest.mark.parametrize("norm", [None, "weight"])
@pytest.mark.parametrize(
    "layer",
    [
        lambda rule: rule.conv(1, 48, 64, 7),
        lambda rule: rule.conv(1, 48, 64, 3, dilation=3),
        lambda rule: rule.conv(1, 48, 64, 8, stride=4),
        lambda rule: rule.conv(1, 64, 64, 7, groups=64),
        lambda rule: rule.conv(2, 16, 64, 3),
        lambda rule: rule.transposed(1, 48, 64, 10, stride=5),
        lambda rule: rule.transposed(2, 16, 64, 4, stride=2),
    ],
)
def test_white_noise_keeps_its_variance_in_every_kind_of_convolution(layer, norm):
    network = evenly(layer(Convolutions(padding="same", mode="constant", norm=norm)))
    (convolution,) = network.children()
    torch.manual_seed(1)
    channels = convolution.weight.shape[0] if "Transposed" in type(convolution).__name__ else 0
    channels = channels or convolution.weight.shape[1] * convolution.groups
    size = (40,) * convolution.axes if convolution.axes > 1 else (2000,)
    y = network(torch.randn(2, channels, *size), extent=Extent(None, None))
    assert y.var().item() == pytest.approx(1.0, abs=0.15)
    assert torch.equal(convolution.bias, torch.zeros_like(convolution.bias))


def test_the_gain_of_snake_is_one_by_the_root_of_the_mean_square_of_its_slope():
    x = torch.linspace(0, torch.pi, 1001, dtype=torch.float64)[:-1].requires_grad_()
    layer = Snake().build(1).double()
    (slope,) = torch.autograd.grad(layer(x.view(1, 1, -1), extent=Extent(None, None)).sum(), x)
    assert slope.square().mean().item() == pytest.approx(1 / Snake.gain**2, abs=1e-6)


@pytest.mark.parametrize("count", [1, 4])
def test_branches_together_add_what_they_are_given(count):
    torch.manual_seed(0)
    rule = Convolutions(padding="same", mode="constant", norm="weight")
    units = ResidualUnits(kernel=3, dilations=[1] * count, compress=1, shortcut=False)
    built = units.build(1, 64, Elu(), rule, depthwise=False)
    start_evenly(Chain(layers=built), 1.0)
    for unit in built.values():
        first, second = (layer.weight for name, layer in unit.branch.named_children() if name.startswith("conv"))
        assert first.var().item() * 64 * 3 == pytest.approx(1.0, abs=0.1)
        assert second.var().item() * 64 == pytest.approx(1 / count, rel=0.1)


def test_what_a_codec_says_first_depends_on_what_it_hears():
    """With the start of torch.nn the share was 4e-5: the latents, and every code, were the same for all sounds."""
    torch.manual_seed(0)
    encoder = CodecEncoder(**CODEC, last_activation=True, completion="layers", bottleneck=[Lstm(width=128, layers=2)])
    decoder = CodecDecoder(**CODEC, noise=False, final_tanh=False, bottleneck=[Lstm(width=128, layers=2)])
    x = 0.1 * torch.randn(4, 1, 6400)
    with torch.no_grad():
        y = decoder(encoder(x, None), None)
    assert (y - y.mean(0)).std() > 0.5 * y.std()
    assert 0.2 * x.std() < y.std() < 5 * x.std()


def test_behind_a_norm_a_codec_begins_about_as_loud_as_sounds_are():
    torch.manual_seed(0)
    normed = {**CODEC, "channels": 2, "convolutions": Convolutions(padding="same", mode="reflect", norm="time_group")}
    decoder = CodecDecoder(**normed, noise=False, final_tanh=False, bottleneck=None)
    y = decoder(torch.randn(2, 32, 100), None)
    assert y.square().mean().sqrt().item() == pytest.approx(0.1, rel=1e-3)
