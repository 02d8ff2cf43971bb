import copy

import pytest
import torch
from torch import nn

from signaltok.data.read_image import read_image
from signaltok.features import Hidden, efficientnet_lite0, pooled_features, stage_features, unit_channels


def photo(photos, size=64):
    return (read_image(sorted(photos.glob("*.jpg"))[0])[None, :, :size, :size] + 1) / 2


def test_the_network_is_hidden_from_what_holds_it():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = efficientnet_lite0()

    holder = Holder().train()
    assert not list(holder.parameters()) and not holder.state_dict()
    network = holder.network.on(torch.device("cpu"))
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert copy.deepcopy(holder).network is holder.network
    assert efficientnet_lite0() is holder.network


def test_building_it_takes_no_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    efficientnet_lite0.__wrapped__()
    assert torch.equal(torch.rand(2), expected)


def test_stages_are_those_on_the_way_to_the_pooled_features(photos):
    x = photo(photos)
    found = stage_features(x, (0, 4, 15))
    assert [tuple(features.shape) for features in found] == [(1, 16, 32, 32), (1, 40, 8, 8), (1, 320, 2, 2)]
    network = efficientnet_lite0().on(x.device)
    head = network._swish(network._bn1(network._conv_head(found[-1]))).mean((2, 3))
    torch.testing.assert_close(pooled_features(x), head)


def test_features_do_not_depend_on_batch_mates_or_autocast(photos):
    x = torch.cat([photo(photos), torch.rand(2, 3, 64, 64)])
    with torch.autocast("cpu", torch.bfloat16):
        together = pooled_features(x)
    torch.testing.assert_close(together[:1], pooled_features(x[:1]), rtol=1e-4, atol=1e-5)


def test_pictures_smaller_than_a_cell_are_continued_at_their_edge():
    x = torch.rand(1, 3, 16, 20)
    continued = nn.functional.pad(x, (0, 12, 0, 16), mode="replicate")
    torch.testing.assert_close(pooled_features(x), pooled_features(continued))


def test_channels_of_zeros_have_a_finite_gradient():
    # LPIPS's normalization takes the root of 0 where a unit is silent, and the gradient is NaN.
    x = torch.zeros(1, 4, 2, 2, requires_grad=True)
    unit_channels(x).sum().backward()
    assert x.grad is not None and bool(x.grad.isfinite().all())
    y = torch.randn(1, 4, 2, 2)
    torch.testing.assert_close(unit_channels(y).square().sum(1), torch.ones(1, 2, 2))


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(
        ValueError, match=r"need the package efficientnet_lite_pytorch: pip install -e '\.\[perceptual\]'"
    ):
        efficientnet_lite0.__wrapped__()


def test_a_hidden_network_follows_its_input():
    assert Hidden(nn.Linear(2, 2)).on(torch.device("meta")).weight.device.type == "meta"
