import pytest
import torch

from signaltok.adversaries.regularization import R1, LeCam


def relu2(x):
    return float(torch.tensor(x).clamp(min=0).square().mean())


def test_lecam_holds_logits_against_the_averages_of_before():
    lecam = LeCam(weight=0.5, decay=0.9).double()
    real, fake = torch.tensor([1.0, 3.0], dtype=torch.float64), torch.tensor([-1.0, 0.0], dtype=torch.float64)
    assert float(lecam(real, fake)) == 0.0, "there is nothing to compare the first batch with"
    assert (float(lecam.real), float(lecam.fake)) == (2.0, -0.5)
    real, fake = torch.tensor([0.0, -4.0], dtype=torch.float64), torch.tensor([5.0, 1.0], dtype=torch.float64)
    expected = 0.5 * (relu2([0.0 + 0.5, -4.0 + 0.5]) + relu2([2.0 - 5.0, 2.0 - 1.0]))
    assert float(lecam(real, fake)) == pytest.approx(expected)
    assert float(lecam.real) == pytest.approx(0.9 * 2.0 + 0.1 * -2.0)
    assert float(lecam.fake) == pytest.approx(0.9 * -0.5 + 0.1 * 3.0)


def test_lecam_lives_in_its_state():
    # A peer keeps the averages in a plain object, which neither a checkpoint nor another process ever sees.
    lecam = LeCam(weight=1.0, decay=0.9)
    for _ in range(3):
        lecam(torch.randn(4), torch.randn(4))
    other = LeCam(weight=1.0, decay=0.9)
    other.load_state_dict(lecam.state_dict())
    real, fake = torch.randn(4), torch.randn(4)
    assert torch.equal(other(real, fake), lecam(real, fake)) and torch.equal(other.real, lecam.real)


def test_lecam_gives_logits_their_gradient_and_averages_none():
    lecam = LeCam(weight=1.0, decay=0.5)
    lecam(torch.zeros(2), torch.zeros(2))
    real = torch.ones(2, requires_grad=True)
    lecam(real, torch.zeros(2)).backward()
    torch.testing.assert_close(real.grad, torch.ones(2))  # d/dx mean relu(x - 0)^2 = 2 x / 2


def test_r1_is_half_the_squared_slope_at_the_originals():
    slopes = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    signal = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    penalty = R1(weight=10.0, every=4).penalty((signal @ slopes.T).flatten(), signal)
    square = slopes.sum(0).square().sum()
    torch.testing.assert_close(penalty, 10.0 / 2 * 4 * square)
    penalty.backward()
    assert slopes.grad is not None and bool(slopes.grad.any()), "the discriminator learns by it"


def test_r1_comes_every_so_many_batches_of_the_run():
    assert [batch for batch in range(10) if R1(weight=1.0, every=4).due(batch)] == [0, 4, 8]


def test_impossible_values_are_named():
    with pytest.raises(ValueError, match=r"adversary\.lecam has weight 0"):
        LeCam(weight=0.0, decay=0.5)
    with pytest.raises(ValueError, match=r"adversary\.r1 has weight 1.0 and every 0"):
        R1(weight=1.0, every=0)
