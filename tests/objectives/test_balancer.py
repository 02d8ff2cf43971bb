"""The balancer against its equation, and against what the published class gives."""

import pytest
import torch
from torch import Tensor

from signaltok.objectives.balancer import Balancer

WEIGHTS = {"l1": 0.1, "l2": 1.0, "adv": 3.0}
# What the balancer that EnCodec's authors published gave at the inputs of `batch` with these weights, decay 0.9, in
# float64: (the effective loss, the gradient at the reconstruction) of three batches in a row, "adv" from the second on.
PUBLISHED = [
    (2.8059521612921654, [-0.2417879176696762, -0.4310894472313864, 1.1882955654782275,
                          0.4310894472313864, 0.3364386824505313, -0.4310894472313864]),
    (8.87846983538773, [-0.46512767589035325, -0.6234116783712695, 0.37351566221915383,
                        -0.2709717301197307, -0.37858755998884946, -0.6054757067264165]),
    (10.535831561966694, [-0.4493399262497318, -0.6700653329996937, 0.3978779614085577,
                          0.23358352824651385, -0.4082663179592208, -0.6426829274726864]),
]  # fmt: skip


def balancer(weights=WEIGHTS, **changes) -> Balancer:
    made = Balancer(**{"total_norm": 1.0, "decay": 0.9, "epsilon": 1e-12} | changes)
    made.watch(weights)
    return made.double()


def batch(step: int) -> tuple[Tensor, dict[str, Tensor]]:
    y = torch.tensor([[[0.5, -1.0, 2.0]], [[1.5, 0.25, -0.75]]], dtype=torch.float64) * (step + 1)
    y.requires_grad_()
    x = torch.tensor([[[1.0, 0.0, -1.0]], [[0.5, -0.5, 0.25]]], dtype=torch.float64)
    losses = {"l1": (y - x).abs().mean(), "l2": (y - x).square().mean()}
    if step:
        losses["adv"] = torch.relu(1 - 0.3 * y).mean()
    return y, losses


@pytest.mark.parametrize("given", [False, True], ids=["from the graph", "given"])
def test_it_gives_what_the_published_balancer_gives(given):
    ours = balancer()
    for step, (loss, gradient) in enumerate(PUBLISHED):
        signal, losses = batch(step)
        handed = {}
        if given and "adv" in losses:
            value = losses.pop("adv")
            handed = {"adv": (value.detach(), torch.autograd.grad(value, signal)[0])}
        outside, pull, logged = ours(signal, losses, handed)
        assert float(outside) == 0.0
        torch.testing.assert_close(pull.flatten().tolist(), gradient, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(float(logged["loss"]), loss, rtol=1e-12, atol=0)
        assert (float(logged["balance_adv"]) > 0) == bool(step)


def test_each_term_brings_its_weight_whatever_its_scale():
    signal = torch.randn(4, 1, 50, dtype=torch.float64, requires_grad=True)
    target = torch.randn_like(signal)
    losses = {"a": 1e6 * (signal - target).abs().mean(), "b": 1e-6 * (signal - target).square().sum()}
    ours = balancer({"a": 1.0, "b": 3.0}, total_norm=2.0)
    _, _, logged = ours(signal, losses, {})
    for name, share in (("a", 0.5), ("b", 1.5)):
        (gradient,) = torch.autograd.grad(losses[name], signal, retain_graph=True)
        brought = float(logged[f"balance_{name}"]) * gradient.flatten(1).norm(dim=1).mean()
        torch.testing.assert_close(float(brought), share)


def test_what_does_not_look_at_the_reconstruction_keeps_its_weight():
    latent = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    signal = latent * torch.ones(2, 1, 4, dtype=torch.float64)
    losses = {"reconstruction": signal.square().mean(), "commitment": 5 * latent, "unused": signal.mean()}
    ours = balancer({"reconstruction": 2.0, "commitment": 0.25, "unused": 0.0})
    outside, pull, logged = ours(signal, losses, {})
    torch.testing.assert_close(float(outside.detach()), 0.25 * 15)
    assert float(logged["balance_commitment"]) == float(logged["balance_unused"]) == 0.0
    assert set(logged) == {"loss", *ours.logged()}
    (outside + (signal * pull).sum()).backward()
    # Each of the two items has a gradient of norm 1, which lies in equal parts on its four samples.
    torch.testing.assert_close(float(latent.grad), 0.25 * 5 + 2 * 4 * 0.5)


def test_its_averages_are_buffers_and_go_on_where_they_were():
    ours, other = balancer(), balancer()
    for step in range(2):
        ours(*batch(step), {})
    other.load_state_dict(ours.state_dict())
    assert set(ours.state_dict()) == {"sums", "counts"} and not list(ours.parameters())
    for made in (ours, other):
        made.result = made(*batch(2), {})[1]
    assert torch.equal(ours.result, other.result)
    fresh = balancer()(*batch(2), {})[1]
    assert not torch.equal(fresh, ours.result)


def test_the_loss_of_a_batch_that_matches_is_no_gradient_and_no_nan():
    signal = torch.ones(1, 1, 3, dtype=torch.float64, requires_grad=True)
    _, pull, logged = balancer({"l": 1.0})(signal, {"l": (signal - 1).square().mean()}, {})
    assert torch.equal(pull, torch.zeros_like(pull)) and torch.isfinite(logged["loss"])


@pytest.mark.parametrize("changes", [{"total_norm": 0.0}, {"decay": 1.5}, {"epsilon": 0.0}])
def test_impossible_values_are_named(changes):
    ((name, value),) = changes.items()
    with pytest.raises(ValueError, match=rf"{name} {value}"):
        balancer(**changes)


def test_nothing_to_balance_is_named():
    with pytest.raises(ValueError, match=r"all weights of .'a'. are 0"):
        balancer({"a": 0.0})
