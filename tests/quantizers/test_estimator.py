"""Each estimator against its closed form."""

import pytest
import torch
from torch import Tensor
from vector_quantize_pytorch.vector_quantize_pytorch import rotate_to

from signaltok.quantizers.codebook.estimator import Estimator, Rotation, StraightThrough

BOTH = [StraightThrough(), Rotation()]


def gradients(estimator: Estimator, z: Tensor, q: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
    z, q = z.clone().requires_grad_(), q.clone().requires_grad_()
    estimator(z, q).backward(upstream)
    assert z.grad is not None
    assert q.grad is None, "the code vectors learn from their own loss or average, never through z_q"
    return z.grad, estimator(z, q).detach()


@pytest.mark.parametrize("estimator", BOTH, ids=["straight-through", "rotation"])
def test_the_value_is_the_code_vector_to_the_bit(estimator: Estimator) -> None:
    z, q = 1e4 * torch.randn(50, 8), torch.randn(50, 8)
    assert not torch.equal(z + (q - z), q), "the usual sum would not have been equal"
    assert torch.equal(estimator(z, q), q)


def test_the_straight_through_gradient_is_exactly_one() -> None:
    upstream = torch.randn(50, 8)
    through, _ = gradients(StraightThrough(), torch.randn(50, 8), torch.randn(50, 8), upstream)
    assert torch.equal(through, upstream)


def test_the_rotation_gradient_is_the_transposed_rotation() -> None:
    z, q, upstream = torch.randn(20, 8).double(), torch.randn(20, 8).double(), torch.randn(20, 8).double()
    through, _ = gradients(Rotation(), z, q, upstream)
    for number in range(20):
        a, b = z[number] / z[number].norm(), q[number] / q[number].norm()
        r = (a + b) / (a + b).norm()
        rotation = torch.eye(8).double() - 2 * torch.outer(r, r) + 2 * torch.outer(b, a)
        assert torch.allclose(rotation @ rotation.T, torch.eye(8).double())
        scale = q[number].norm() / z[number].norm()
        assert torch.allclose(scale * rotation @ z[number], q[number])
        assert torch.allclose(through[number], scale * rotation.T @ upstream[number])


def test_the_rotation_gradient_equals_the_library() -> None:
    z, q, upstream = torch.randn(20, 8), torch.randn(20, 8), torch.randn(20, 8)
    through, _ = gradients(Rotation(), z, q, upstream)
    source = z.clone().requires_grad_()
    rotate_to(source, q).backward(upstream)
    assert source.grad is not None and torch.allclose(through, source.grad, atol=1e-5)


@pytest.mark.parametrize(
    ("z", "q"),
    [((0.0, 0.0), (1.0, 0.0)), ((1.0, 0.0), (0.0, 0.0)), ((1.0, 0.0), (-1.0, 0.0)), ((0.0, 0.0), (0.0, 0.0))],
    ids=["z zero", "q zero", "opposite", "both zero"],
)
def test_the_rotation_gradient_is_finite_where_no_rotation_is_defined(z: tuple, q: tuple) -> None:
    through, value = gradients(Rotation(), torch.tensor([z]), torch.tensor([q]), torch.ones(1, 2))
    assert through.isfinite().all() and torch.equal(value, torch.tensor([q]))
