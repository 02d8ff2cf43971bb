import pytest
import torch
from small_adversary import adversary

from signaltok.adversaries.losses import LeastSquares, NonSaturating
from signaltok.adversaries.regularization import R1, LeCam


def logits_of(part, signal):
    (verdict,) = part.discriminator(signal)
    return verdict.logits


def test_the_discriminator_trains_before_the_generator_sees_it():
    part = adversary(start=0.5, warmup=0.1)
    shares = [0.0, 0.39, 0.41, 0.49, 0.5, 0.99]
    assert [part.trains(share) for share in shares] == [False, False, True, True, True, True]
    assert [part.acts(share) for share in shares] == [False, False, False, False, True, True]


def test_the_generator_s_gradient_is_that_of_its_loss_and_the_discriminator_gets_none():
    part, signal = adversary(loss=NonSaturating()).double(), torch.randn(2, 3, 12, 12, dtype=torch.float64)
    leaf = signal.clone().requires_grad_()
    losses = part.of_generator(None, part.judge(leaf, None))
    assert list(losses) == list(part.generator_terms()) == ["generator"]
    expected = torch.nn.functional.softplus(-logits_of(part, leaf)).mean()
    torch.testing.assert_close(losses["generator"], expected)
    slopes = [torch.autograd.grad(value, leaf)[0] for value in (losses["generator"], expected)]
    torch.testing.assert_close(*slopes)
    assert all(parameter.grad is None for parameter in part.parameters())


def test_the_discriminator_s_loss_has_both_sides():
    part = adversary(loss=LeastSquares()).double()
    x, y = (torch.randn(2, 3, 12, 12, dtype=torch.float64) for _ in range(2))
    loss, logged = part.of_discriminator(part.judge(x, None), part.judge(y, None))
    real, fake = logits_of(part, x), logits_of(part, y)
    torch.testing.assert_close(loss, ((real - 1) ** 2 / 2).mean() + (fake**2 / 2).mean())
    torch.testing.assert_close(logged["logits_real"], real.mean().detach())
    torch.testing.assert_close(logged["logits_fake"], fake.mean().detach())
    loss.backward()
    assert all(bool(parameter.grad.any()) for parameter in part.parameters())


def test_padding_is_never_judged():
    part = adversary().double()
    lengths = torch.tensor([[14, 12], [9, 8]])
    x = torch.randn(2, 3, 14, 12, dtype=torch.float64)
    x[1, :, 9:], x[1, :, :, 8:] = float("nan"), float("inf")
    alone = torch.cat([logits_of(part, x[:1]).flatten(), logits_of(part, x[1:, :, :9, :8]).flatten()])
    torch.testing.assert_close(part.judge(x, lengths).logits[0], alone)
    leaf = x.requires_grad_()
    (gradient,) = torch.autograd.grad(part.of_generator(None, part.judge(leaf, lengths))["generator"], leaf)
    assert bool(gradient.isfinite().all()) and not bool(gradient[1, :, 9:].any())


def test_regularization_is_added_where_it_is_due():
    part = adversary(lecam=LeCam(weight=2.0, decay=0.5), r1=R1(weight=10.0, every=3))
    x, y = torch.randn(2, 3, 12, 12), torch.randn(2, 3, 12, 12)
    assert "lecam" in part.logged() and "lecam" not in adversary().logged()
    other = adversary(discriminator=part.discriminator)
    judged = [part.judge(signal, None) for signal in (x, y, y + 3)]
    plain, _ = other.of_discriminator(judged[0], judged[1])
    first, logged = part.of_discriminator(judged[0], judged[1])
    assert torch.equal(first, plain) and float(logged["lecam"]) == 0.0
    second, logged = part.of_discriminator(judged[0], judged[2])
    without, _ = other.of_discriminator(judged[0], judged[2])
    torch.testing.assert_close(second - without, logged["lecam"])
    assert float(logged["lecam"]) > 0
    assert part.penalty(x, None, 1) is None and other.penalty(x, None, 3) is None
    assert float(part.penalty(x, None, 3).detach()) > 0, "R1 is due at batch 3"


def test_its_optimizer_has_every_parameter_once():
    part = adversary(lecam=LeCam(weight=2.0, decay=0.5))
    (group,) = part.optimizer().param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in part.parameters()}
    assert (group["lr"], group["betas"]) == (1e-3, (0.5, 0.9))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": 1.0}, r"adversary\.start is 1\.0 and warmup 0\.1"),
        ({"start": 0.1, "warmup": 0.2}, "0 <= warmup <= start < 1"),
        ({"learning_rate": 0.0}, r"adversary\.learning_rate is 0\.0"),
        ({"betas": [0.5]}, "two betas"),
    ],
)
def test_impossible_values_are_named(changes, words):
    with pytest.raises(ValueError, match=words):
        adversary(**changes)


def test_signals_of_another_kind_are_named_before_the_first_step():
    with pytest.raises(ValueError, match="axes 2 and channels 3, the signal has 1 and 1"):
        adversary().check(axes=1, channels=1)
