import pytest
import torch
from torch import nn

from signaltok.adversaries.weights import AdaptiveGradientWeight, ConstantWeight
from signaltok.exactness import keep_in_full_precision


def adaptive(**changes):
    return AdaptiveGradientWeight(**{"weight": 0.8, "epsilon": 1e-4, "least": 0.0, "most": 1e4} | changes)


def case(scale=1.0):
    """A last layer whose two gradients are known: signal = w * x, objective = a . signal, adversary = b . signal."""
    layer = nn.Conv2d(1, 1, 1, bias=False).double()
    x, a, b = (torch.randn(2, 1, 3, 3, dtype=torch.float64) for _ in range(3))
    signal = layer(x)
    objective = (a * signal).sum()
    ours, theirs = (a * x).sum().abs(), (b * x).sum().abs() * scale
    return {"objective": objective, "signal": signal, "gradient": b * scale, "layer": layer.weight}, ours, theirs


def test_it_is_the_ratio_of_the_gradients_at_the_last_layer():
    given, ours, theirs = case()
    torch.testing.assert_close(adaptive().weight(**given), 0.8 * ours / (theirs + 1e-4))


@pytest.mark.parametrize(("scale", "expected"), [(1e9, 0.8 * 0.5), (1e-9, 0.8 * 3.0)])
def test_the_ratio_is_held_within_its_range(scale, expected):
    given, _, _ = case(scale)
    assert float(adaptive(least=0.5, most=3.0).weight(**given)) == pytest.approx(expected)


def test_a_generator_loss_without_gradient_gives_a_finite_weight():
    given, ours, _ = case(0.0)
    torch.testing.assert_close(adaptive(most=1e9).weight(**given), 0.8 * ours / 1e-4)


def test_it_is_detached_and_leaves_the_graph_and_the_gradients_alone():
    given, _, _ = case()
    assert not adaptive().weight(**given).requires_grad
    assert given["layer"].grad is None
    given["objective"].backward()
    assert given["layer"].grad is not None


def test_under_autocast_the_gradients_are_those_of_float32():
    torch.manual_seed(0)
    body, layer = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 3, 3)
    keep_in_full_precision(layer)
    x = torch.randn(2, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = body(x)
        assert hidden.dtype == torch.bfloat16
        signal = layer(hidden)
        assert signal.dtype == torch.float32 and torch.is_autocast_enabled("cpu")
    gradient = torch.randn_like(signal)
    weight = adaptive().weight(objective=signal.square().mean(), signal=signal, gradient=gradient, layer=layer.weight)
    exact = nn.functional.conv2d(hidden.float(), layer.weight, layer.bias)
    ours, theirs = (
        torch.autograd.grad(exact, layer.weight, g, retain_graph=True)[0].norm()
        for g in (2 * exact.detach() / exact.numel(), gradient)
    )
    torch.testing.assert_close(weight, 0.8 * ours / (theirs + 1e-4))


def test_a_layer_in_eval_mode_is_left_as_it_is():
    layer = nn.Conv2d(1, 1, 1)
    keep_in_full_precision(layer)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.eval()(torch.ones(1, 1, 2, 2)).dtype == torch.bfloat16


def test_the_constant_is_constant():
    given, _, _ = case()
    assert float(ConstantWeight(weight=0.1).weight(**given)) == pytest.approx(0.1)
    assert not ConstantWeight(weight=0.1).measures and adaptive().measures


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_without_sense_is_named(weight):
    with pytest.raises(ValueError, match=r"adversary\.weight\.weight is"):
        ConstantWeight(weight=weight)
    with pytest.raises(ValueError, match=r"least 2\.0 and most 1\.0"):
        adaptive(least=2.0, most=1.0)
