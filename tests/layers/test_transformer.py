"""Coordinates as the paper defines them, attention over valid tokens alone, sums in the parameters' precision."""

import math

import torch

from signaltok.layers.transformer import GridTransformer, TransformerBlock, coordinates, sinusoids


def test_one_axis_has_the_papers_sines_and_cosines():
    table = sinusoids(coordinates((5,), torch.device("cpu")), 4)
    for place in range(5):
        angles = [place, place / 10_000**0.5]
        expected = [*map(math.sin, angles), *map(math.cos, angles)]
        torch.testing.assert_close(table[place], torch.tensor(expected))


def test_each_axis_has_its_own_share_in_raster_order():
    table = sinusoids(coordinates((3, 4), torch.device("cpu")), 8).view(3, 4, 2, 2, 2)  # sine or cosine, axis, rate
    assert torch.equal(table[:, 0, :, 0], table[:, 3, :, 0]) and not torch.equal(table[0, :, :, 0], table[1, :, :, 0])
    assert torch.equal(table[0, :, :, 1], table[2, :, :, 1]) and not torch.equal(table[:, 0, :, 1], table[:, 1, :, 1])


def test_tokens_that_are_not_valid_are_not_attended_to():
    torch.manual_seed(0)
    block, x = TransformerBlock(width=8, heads=2).double(), torch.randn(2, 6, 8, dtype=torch.float64)
    valid = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])[:, None, None]
    moved = x.clone()
    moved[1, 4:] *= -1
    torch.testing.assert_close(block(moved, valid)[1, :4], block(x, valid)[1, :4], rtol=0, atol=1e-12)
    assert not torch.allclose(block(moved, None)[1, :4], block(x, None)[1, :4])


def test_autocast_leaves_the_running_sum_in_float32():
    torch.manual_seed(0)
    part, x, sums = GridTransformer(width=8, depth=2, heads=2), torch.randn(1, 8, 3, 3), []
    for block in part.blocks:
        block.register_forward_hook(lambda *call: sums.append(call[-1].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        part(x.bfloat16(), None)
    assert sums == [torch.float32, torch.float32]
