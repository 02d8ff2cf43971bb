"""Lengths to the sample, no lag, each item's own padding, and pieces that go on where the last one ended."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from signaltok.layers.convolution import Convolution, TransposedConvolution
from signaltok.layers.extent import Extent
from signaltok.layers.padding import padded
from signaltok.types.memory import Memory

ALONE = Extent(None, None)


def down(axes: int = 1, **changes: object) -> Convolution:
    plain = {"inputs": 2, "outputs": 3, "kernel": 3, "stride": 1, "dilation": 1, "groups": 1, "bias": True}
    return Convolution(**{"axes": axes, "padding": "same", "mode": "constant", "norm": None} | plain | changes).double()


def up(axes: int = 1, **changes: object) -> TransposedConvolution:
    plain = {"inputs": 2, "outputs": 3, "kernel": 4, "stride": 2, "groups": 1, "bias": True}
    return TransposedConvolution(**{"axes": axes, "padding": "same", "norm": None} | plain | changes).double()


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("padding", ["same", "causal"])
@pytest.mark.parametrize("stride", range(1, 13))
def test_lengths_are_rounded_up_and_given_back(stride, padding):
    for kernel, mode in itertools.product({stride, 2 * stride, 2 * stride + 1}, ("constant", "reflect", "replicate")):
        layer = down(kernel=kernel, stride=stride, padding=padding, mode=mode)
        for size in (1, 2, stride, stride + 1, 5 * stride - 1):
            assert layer(noise(1, 2, size), extent=ALONE).shape == (1, 3, -(-size // stride))
        back = up(kernel=kernel, stride=stride, padding=padding)
        assert back(noise(1, 2, 4), extent=ALONE).shape == (1, 3, 4 * stride)


@pytest.mark.parametrize("stride", range(2, 13))
def test_down_and_up_again_have_no_lag(stride):
    shape = {"inputs": 1, "outputs": 1, "kernel": 2 * stride, "stride": stride, "bias": False}
    layers = [down(**shape), up(**shape)]
    size, lag = 9 * stride, 0.0
    with torch.no_grad():
        for layer in layers:
            layer.weight.fill_(1.0)
        for place in range(4 * stride, 5 * stride):
            x = torch.zeros(1, 1, size, dtype=torch.float64)
            x[..., place] = 1.0
            y = layers[1](layers[0](x, extent=ALONE), extent=ALONE)[0, 0]
            lag += float((y * torch.arange(size)).sum() / y.sum()) - place
    # Over the places of a cell: every sample is as much late as early, but for an odd stride's half sample.
    assert abs(lag / stride) <= (0.5 if stride % 2 else 1e-9) + 1e-9


def test_an_odd_kernel_is_torchs_and_valid_does_not_pad():
    for axes, kind in ((1, nn.Conv1d), (2, nn.Conv2d)):
        layer = down(axes, kernel=5, dilation=2)
        reference = kind(2, 3, 5, padding=4, dilation=2).double()
        reference.load_state_dict(layer.state_dict())
        x = noise(2, 2, *[11] * axes)
        torch.testing.assert_close(layer(x, extent=ALONE), reference(x))
    assert down(kernel=4, stride=2, padding="valid")(noise(1, 2, 11), extent=ALONE).shape == (1, 3, 4)
    assert up(padding="valid")(noise(1, 2, 5), extent=ALONE).shape == (1, 3, 12)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(("before", "after", "multiple"), [(3, 0, 4), (2, 1, 3), (6, 6, 1)])
def test_every_item_has_its_own_padding(mode, axes, before, after, multiple):
    lengths = torch.tensor([[11] * axes, [5] * axes, [1] * axes, [8] * axes])
    x = noise(4, 2, *[11] * axes)
    for item, size in zip(x, lengths, strict=True):
        for axis, n in enumerate(size):
            item.movedim(1 + axis, 0)[n:] = 0.0
    together = padded(x, before, after, multiple, mode, lengths)
    for number, size in enumerate(lengths.tolist()):
        alone = padded(
            x[(slice(number, number + 1), slice(None), *map(slice, size))], before, after, multiple, mode, None
        )
        own = together[(slice(number, number + 1), slice(None), *map(slice, alone.shape[2:]))]
        torch.testing.assert_close(own, alone, rtol=0, atol=0)


def test_a_short_signal_is_completed_with_zeros_before_it_is_reflected():
    x = torch.tensor([[[1.0, 2.0]]])
    # Completed to 1 2 0 0 0 as 4 are padded; what reaches further than that is cut off again.
    assert padded(x, 4, 0, 1, "reflect", None).tolist() == [[[0.0, 0.0, 0.0, 2.0, 1.0, 2.0]]]
    assert padded(x, 2, 0, 1, "replicate", None).tolist() == [[[1.0, 1.0, 1.0, 2.0]]]
    assert padded(torch.tensor([[[1.0, 2.0, 3.0]]]), 2, 0, 2, "reflect", None).tolist() == [[[3.0, 2.0, 1, 2, 3, 2]]]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(7, 1, 1), (3, 1, 3), (8, 4, 1), (4, 4, 1), (1, 1, 1)])
def test_pieces_of_a_causal_convolution_are_the_whole(mode, kernel, stride, dilation):
    layer = down(kernel=kernel, stride=stride, dilation=dilation, mode=mode, padding="causal", norm="weight")
    x = noise(1, 2, 33)
    whole = layer(x, extent=ALONE)
    for sizes in ([8, 4, 20, 1], [12, 12, 9], [33], [8, 25]):
        memory, pieces = Memory(), []
        for number, piece in enumerate(x.split(sizes, dim=-1)):
            memory.last = number == len(sizes) - 1
            pieces.append(layer(piece, extent=Extent(None, memory)))
        torch.testing.assert_close(torch.cat(pieces, dim=-1), whole)


@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (10, 5), (3, 3), (7, 3)])
def test_pieces_of_a_causal_transposed_convolution_are_the_whole(kernel, stride):
    layer, x = up(kernel=kernel, stride=stride, padding="causal", norm="weight"), noise(1, 2, 9)
    memory = Memory()
    pieces = [layer(piece, extent=Extent(None, memory)) for piece in x.split([1, 4, 1, 3], dim=-1)]
    torch.testing.assert_close(torch.cat(pieces, dim=-1), layer(x, extent=ALONE))


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"padding must be one of \('same', 'causal', 'valid'\)"):
        down(padding="full")
    with pytest.raises(ValueError, match="mode must be one of"):
        down(mode="circular")
    with pytest.raises(ValueError, match=r"a kernel of 3 .* leaves gaps at stride 4"):
        down(kernel=3, stride=4)
    with pytest.raises(ValueError, match="a kernel of 2 leaves gaps at stride 4"):
        up(kernel=2, stride=4)
