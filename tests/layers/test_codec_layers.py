"""Activations, sequence layers and norms of codecs, each against its own formula."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from signaltok.decoders.codec import CodecDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.layers.activation import Elu, Snake
from signaltok.layers.convnext import ConvNextBlock
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.extent import Extent
from signaltok.layers.group_norm import TimeGroupNorm
from signaltok.layers.local_attention import LocalAttention
from signaltok.layers.lstm import Lstm
from signaltok.layers.noise import Noise
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.layers.rotary import rotated
from signaltok.layers.windowed_transformer import WindowedTransformer
from signaltok.types.memory import Memory

ALONE = Extent(None, None)
PLAIN = Convolutions(padding="same", mode="constant", norm=None)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_activations_are_the_same_with_and_without_gradients():
    x = torch.cat([noise(2, 3, 50) * 4, torch.zeros(2, 3, 1, dtype=torch.float64)], dim=2)
    snake = Snake().build(3).double()
    with torch.no_grad():
        snake.alpha.copy_(torch.tensor([0.5, 1.0, 3.0]))
    alpha = torch.tensor([0.5, 1.0, 3.0]).view(1, 3, 1)
    for layer, formula in ((Elu().build(3), F.elu(x)), (snake, x + torch.sin(alpha * x) ** 2 / alpha)):
        with torch.no_grad():
            torch.testing.assert_close(layer(x, extent=ALONE), formula, rtol=0, atol=1e-8)
        torch.testing.assert_close(layer(x, extent=ALONE), formula, rtol=0, atol=1e-8)


@pytest.mark.parametrize("recipe", [Elu(), Snake()])
def test_an_activation_of_a_value_is_the_same_wherever_it_lies(recipe):
    """To the bit: tiles, batch mates, and what stands beside it in memory change nothing."""
    layer, x = recipe.build(3), (4 * noise(2, 3, 70_001)).float()
    with torch.no_grad():
        whole = layer(x, extent=ALONE)
        for start, size in ((0, 1), (1, 17), (5, 4099), (40_000, 30_001)):
            part = x[1:, :, start : start + size]
            assert torch.equal(layer(part.contiguous(), extent=ALONE), whole[1:, :, start : start + size])
            beside = part.transpose(1, 2).contiguous().transpose(1, 2)
            assert torch.equal(layer(beside, extent=ALONE), whole[1:, :, start : start + size])


def test_rotation_turns_by_the_place_and_keeps_products_of_equal_distance():
    x, y = noise(1, 6), noise(1, 6).flip(1)
    turned = rotated(x, torch.tensor([3]))[0]
    for channel in range(3):
        angle = 3 / 10_000 ** (2 * channel / 6)
        one, other = x[0, channel], x[0, channel + 3]
        torch.testing.assert_close(turned[channel], one * math.cos(angle) - other * math.sin(angle), atol=1e-6, rtol=0)
    products = [rotated(x, torch.tensor([n + 5])) @ rotated(y, torch.tensor([n])).T for n in (0, 40)]
    torch.testing.assert_close(*products, atol=1e-5, rtol=0)


def test_a_window_is_itself_and_what_is_before_it():
    torch.manual_seed(0)
    layer, x = (
        WindowedTransformer(width=8, depth=1, heads=2, inner=8, window=3, layer_scale=1.0).double(),
        noise(1, 8, 9),
    )
    y = layer(x, extent=ALONE)
    for place in range(9):
        moved = x.clone()
        moved[..., place] *= -1  # a shift of all channels would be lost in the norms
        changed = ((layer(moved, extent=ALONE) - y).abs().sum(1)[0] > 1e-12).nonzero()[:, 0].tolist()
        assert changed == [n for n in (place, place + 1, place + 2) if n < 9]


@pytest.mark.parametrize("sizes", [[1] * 30, [7, 20, 3], [30]])
def test_sequence_layers_go_on_from_a_piece_and_remember_no_more_than_they_need(sizes):
    torch.manual_seed(0)
    transformer = WindowedTransformer(width=8, depth=2, heads=2, inner=8, window=4, layer_scale=1.0)
    for layer, most in ((transformer, 2 * 2 * 3 * 8), (Lstm(width=8, layers=2), 2 * 2 * 8)):
        layer, x, memory = layer.double(), noise(1, 8, 30), Memory()
        pieces = [layer(piece, extent=Extent(None, memory)) for piece in x.split(sizes, dim=-1)]
        torch.testing.assert_close(torch.cat(pieces, dim=-1), layer(x, extent=ALONE), rtol=0, atol=1e-6)
        assert memory.size == most


def test_local_windows_do_not_see_each_other_nor_the_padding():
    torch.manual_seed(0)
    layer, x = LocalAttention(width=8, window=4, head_dim=4).double(), noise(2, 8, 11)
    y = layer(x, extent=ALONE)
    torch.testing.assert_close(layer(x[..., :4], extent=ALONE), y[..., :4])
    torch.testing.assert_close(layer(x[..., 4:], extent=ALONE), y[..., 4:])
    spoilt = x.clone()
    spoilt[1, :, 6:] = 1e3
    together = layer(spoilt, extent=Extent(torch.tensor([[11], [6]]), None))
    torch.testing.assert_close(together[1:, :, :6], layer(x[1:, :, :6], extent=ALONE))
    assert together[0].isfinite().all()


def test_a_group_norm_counts_the_valid_positions_of_each_item_alone():
    layer, x = TimeGroupNorm(width=3).double(), noise(2, 3, 10) + 2
    together = layer(x, extent=Extent(torch.tensor([[10], [4]]), None))
    torch.testing.assert_close(together[1:, :, :4], layer(x[1:, :, :4], extent=ALONE))
    torch.testing.assert_close(together[:1], nn.functional.group_norm(x[:1], 1))


def test_noise_is_drawn_in_training_alone_one_number_a_position():
    torch.manual_seed(0)
    layer, x = Noise(axes=1, width=3, convolutions=PLAIN), noise(2, 3, 6).float()
    assert torch.equal(layer.eval()(x, extent=ALONE), x)
    added = layer.train()(x, extent=ALONE) - x
    share = added / layer.gain(x, extent=ALONE)
    torch.testing.assert_close(share, share[:, :1].expand_as(share), rtol=1e-3, atol=1e-4)
    assert not torch.equal(added, layer(x, extent=ALONE) - x) and int(layer.draws.steps) == 2


@pytest.mark.parametrize("axes", [1, 2])
def test_a_convnext_block_is_its_formula(axes):
    torch.manual_seed(0)
    block = ConvNextBlock(axes=axes, width=4, inner=6, kernel=3, layer_scale=0.5, convolutions=PLAIN).double()
    x = noise(2, 4, *[5] * axes)
    y = block.depthwise(x, extent=ALONE).movedim(1, -1)
    y = block.outer(F.gelu(block.inner(F.layer_norm(y, (4,), block.norm.weight, block.norm.bias, 1e-6))))
    torch.testing.assert_close(block(x, extent=ALONE), x + 0.5 * y.movedim(-1, 1))


def arguments(**changes: object) -> dict:
    shared = {
        "axes": 1,
        "channels": 1,
        "width": 4,
        "strides": [2, 5],
        "kernel": 3,
        "last_kernel": 3,
        "depthwise": False,
    }
    shared |= {"units": ResidualUnits(kernel=3, dilations=[1], compress=2, shortcut=False), "activation": Elu()}
    return shared | {"convolutions": PLAIN, "bottleneck": None, "latent_layers": None, "latent_dim": 6} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strides": []}, r"strides must be positive and at least one, got \[\]"),
        ({"strides": [2, 0]}, r"strides must be positive"),
        ({"depthwise": True}, r"units of width 4 cannot be compressed by 2 \(depthwise: True\)"),
        ({"axes": 4}, "axes must be 1"),
    ],
)
def test_codecs_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        CodecEncoder(last_activation=True, completion="signal", **arguments(**changes))
    with pytest.raises(ValueError, match=message.replace("width 4", "width 8")):
        CodecDecoder(noise=False, final_tanh=False, **arguments(**changes))


def test_rules_and_recipes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="completion must be one of"):
        CodecEncoder(last_activation=True, completion="none", **arguments())
    with pytest.raises(ValueError, match="padding must be 'same' or 'causal'"):
        Convolutions(padding="valid", mode="constant", norm=None)
    with pytest.raises(ValueError, match="norm must be one of"):
        Convolutions(padding="same", mode="constant", norm="batch")
    with pytest.raises(ValueError, match="kernel must be odd and dilations positive, got 4"):
        ResidualUnits(kernel=4, dilations=[1], compress=1, shortcut=False)
    with pytest.raises(ValueError, match="width 6 must be a multiple of 2 x heads"):
        WindowedTransformer(width=6, depth=1, heads=2, inner=8, window=4, layer_scale=1.0)
    with pytest.raises(ValueError, match="width 6 must be a multiple of head_dim 4"):
        LocalAttention(width=6, window=4, head_dim=4)


def test_a_decoder_has_its_strides_in_the_encoders_order_and_says_which_layer_is_the_last():
    encoder = CodecEncoder(last_activation=True, completion="signal", **arguments())
    decoder = CodecDecoder(noise=False, final_tanh=True, **arguments())
    assert encoder.stride == decoder.stride == (10,)
    assert [stage.resample.stride for stage in (encoder.trunk.stage0, encoder.trunk.stage1)] == [2, 5]
    assert [stage.resample.stride for stage in (decoder.trunk.stage0, decoder.trunk.stage1)] == [5, 2]
    assert decoder.last_layer is decoder.trunk.project and decoder.last_layer.weight.shape == (1, 4, 3)
