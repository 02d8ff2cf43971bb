import math

import pytest
import torch

from signaltok.adversaries.losses import ClippedHinge, Hinge, LeastSquares, NonSaturating

LOGITS = [-2.5, -1.0, -0.3, 0.0, 0.7, 1.0, 3.0]


def softplus(x):
    return math.log(1 + math.exp(x))


# (of_real, of_fake, of_generator) of a logit, as the papers write them; a discriminator's side is half.
CLOSED = {
    Hinge: (lambda d: max(0.0, 1 - d) / 2, lambda d: max(0.0, 1 + d) / 2, lambda d: -d),
    ClippedHinge: (lambda d: max(0.0, 1 - d) / 2, lambda d: max(0.0, 1 + d) / 2, lambda d: max(0.0, 1 - d)),
    NonSaturating: (
        lambda d: -math.log(1 / (1 + math.exp(-d))) / 2,
        lambda d: -math.log(1 - 1 / (1 + math.exp(-d))) / 2,
        lambda d: -math.log(1 / (1 + math.exp(-d))),
    ),
    LeastSquares: (lambda d: (d - 1) ** 2 / 2, lambda d: d**2 / 2, lambda d: (d - 1) ** 2 / 2),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_each_side_is_its_closed_form(kind):
    logits = torch.tensor(LOGITS, dtype=torch.float64)
    loss = kind()
    for side, closed in zip((loss.of_real, loss.of_fake, loss.of_generator), CLOSED[kind], strict=True):
        torch.testing.assert_close(side(logits).tolist(), [closed(d) for d in LOGITS], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", CLOSED)
def test_the_sides_pull_the_right_way(kind):
    # A peer's non-saturating option has its arguments swapped: its fake side is the constant ln 2, and its real side
    # is linear and without bound.
    logits = torch.tensor([-0.5, 0.5], dtype=torch.float64, requires_grad=True)
    loss = kind()
    for side, sign in ((loss.of_real, -1), (loss.of_fake, 1), (loss.of_generator, -1)):
        if side == loss.of_fake and kind is LeastSquares:
            continue  # it pulls towards 0 from both sides
        (slope,) = torch.autograd.grad(side(logits).sum(), logits)
        assert (slope.sign() == sign).all(), side
    assert float(loss.of_real(torch.tensor([50.0]))) >= 0 and float(loss.of_fake(torch.tensor([-50.0]))) >= 0


def test_the_least_squares_targets_are_one_and_zero():
    loss = LeastSquares()
    assert float(loss.of_real(torch.ones(1))) == float(loss.of_fake(torch.zeros(1))) == 0.0
