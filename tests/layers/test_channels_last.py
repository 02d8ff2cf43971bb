"""Without gradients: convolutions in another order in memory, activations on the way, and the same values."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from signaltok.layers.activation import Elu, Snake
from signaltok.layers.channels_last import convolve, convolve_transposed
from signaltok.layers.convolution import Convolution
from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Chain
from signaltok.types.memory import Memory

ALONE = Extent(None, None)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(("inputs", "outputs", "groups"), [(1, 5, 1), (2, 5, 1), (4, 4, 4), (6, 4, 2)])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(1, 1, 1), (7, 1, 1), (3, 1, 3), (8, 4, 1), (5, 3, 2)])
@pytest.mark.parametrize("size", [13, 200])
def test_values_are_torchs(inputs, outputs, groups, kernel, stride, dilation, size):
    x, weight, bias = noise(2, inputs, size), noise(outputs, inputs // groups, kernel), noise(outputs)
    way = {"stride": stride, "groups": groups}
    with torch.no_grad():
        own = convolve(x, weight, bias, dilation=dilation, **way)
        torch.testing.assert_close(own, F.conv1d(x, weight, bias, dilation=dilation, **way))
        back = noise(inputs, outputs // groups, kernel)
        torch.testing.assert_close(convolve_transposed(x, back, bias, **way), F.conv_transpose1d(x, back, bias, **way))
        if inputs > 1 or dilation == 1:  # what the next layer reads as it is
            assert own.transpose(1, 2).is_contiguous()


def layers(axes: int, kind: str, **changes: object) -> tuple[Chain, Convolution]:
    plain = {"inputs": 3, "outputs": 4, "kernel": 5, "stride": 2, "dilation": 1, "groups": 1, "bias": True}
    rule = {"axes": axes, "padding": "same", "mode": "constant", "norm": None}
    convolution = Convolution(**plain | rule | changes).double()
    activation = (Elu() if kind == "elu" else Snake()).build(3).double()
    return Chain(layers={"activation": activation, "convolution": convolution}), convolution


@pytest.mark.parametrize("kind", ["elu", "snake"])
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_an_activation_on_the_way_is_one_before(kind, mode):
    ways = [(1, "same"), (1, "causal"), (1, "valid"), (2, "same")]
    for (axes, padding), kernel, size in itertools.product(ways, (2, 5), (5, 24, 31)):
        chain, convolution = layers(axes, kind, padding=padding, mode=mode, kernel=kernel)
        x = noise(2, 3, *[size] * axes)
        before = convolution(chain.ordered[0](x, extent=ALONE), extent=ALONE)
        with torch.no_grad():
            torch.testing.assert_close(chain(x, extent=ALONE), before)
            lengths = torch.tensor([[size] * axes, [size - 2] * axes])
            own = Extent(lengths, None)
            torch.testing.assert_close(chain(x, extent=own), convolution(chain.ordered[0](x, extent=own), extent=own))


def test_a_short_signal_is_reflected_after_its_activation():
    chain, convolution = layers(1, "elu", mode="reflect", kernel=9, stride=1)
    x = noise(1, 3, 2)
    expected = convolution(chain.ordered[0](x, extent=ALONE), extent=ALONE)
    with torch.no_grad():
        torch.testing.assert_close(chain(x, extent=ALONE), expected)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_pieces_with_activations_are_the_whole(mode):
    chain, _ = layers(1, "snake", padding="causal", mode=mode)
    x = noise(1, 3, 33)
    whole = chain(x, extent=ALONE)
    with torch.no_grad():
        for sizes in ([8, 4, 20, 1], [33], [8, 25]):
            memory, pieces = Memory(), []
            for number, piece in enumerate(x.split(sizes, dim=-1)):
                memory.last = number == len(sizes) - 1
                pieces.append(chain(piece, extent=Extent(None, memory)))
            torch.testing.assert_close(torch.cat(pieces, dim=-1), whole)


def test_who_watches_a_convolution_sees_it_without_gradients_too():
    chain, convolution = layers(1, "elu")
    seen = []
    convolution.register_forward_hook(lambda _, inputs, output: seen.append(output.shape))
    with torch.no_grad():
        chain(noise(1, 3, 24), extent=ALONE)
    assert seen == [(1, 4, 12)]
