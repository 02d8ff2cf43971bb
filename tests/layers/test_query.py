"""Places of one-dimensional tokens, and attention that fades with distance."""

import torch

from signaltok.layers.query import QueryTransformer, token_points


def test_every_prefix_of_the_tokens_is_spread_over_the_picture():
    (points,) = token_points(64, torch.tensor([[8, 4]]))
    assert points.min() >= -0.5 and (points < torch.tensor([7.5, 3.5])).all()
    for count in (8, 16, 32, 64):
        quarters = ((points[:count] + 0.5) // torch.tensor([4, 2]) @ torch.tensor([2.0, 1.0])).long()
        hits = torch.bincount(quarters, minlength=4)
        assert hits.min() >= count // 4 - 2, f"{count} tokens leave a quarter of the picture to {hits.min()}"


def test_the_points_are_those_of_halton():
    (points,) = token_points(3, torch.tensor([[1, 1]]))
    torch.testing.assert_close(points + 0.5, torch.tensor([[1 / 2, 1 / 3], [1 / 4, 2 / 3], [3 / 4, 1 / 9]]))


def test_what_is_far_away_is_seen_less_and_padding_not_at_all():
    torch.manual_seed(0)
    part = QueryTransformer(width=8, depth=1, heads=2)
    (block,) = part.blocks
    with torch.no_grad():  # all contents alike: only the distance decides
        block.query_key_value.weight[:16].zero_()
        block.query_key_value.bias[:16].zero_()
    patches, token = torch.randn(1, 8, 16, requires_grad=True), torch.randn(1, 1, 8)
    mask = (torch.arange(16) < 14)[None, None]
    points = torch.tensor([[[2.0]]])
    _, seen = part(patches, token, points, mask, None)
    seen.square().sum().backward()
    assert patches.grad is not None
    reach = patches.grad.abs().sum((0, 1))
    assert reach[2] > reach[5] > reach[9] > 0 and (reach[14:] == 0).all()
