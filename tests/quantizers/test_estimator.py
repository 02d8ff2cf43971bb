"""Each estimator against its closed form."""

import pytest
import torch
from plain import vector
from torch import Tensor
from vector_quantize_pytorch.vector_quantize_pytorch import rotate_to

from signaltok.quantizers.codebook.estimator import Estimator, LateStart, Rotation, StraightThrough

BOTH = [StraightThrough(), Rotation()]


def gradients(estimator: Estimator, z: Tensor, q: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
    z, q = z.clone().requires_grad_(), q.clone().requires_grad_()
    estimator(z, q, 0.0).backward(upstream)
    assert z.grad is not None
    assert q.grad is None, "the code vectors learn from their own loss or average, never through z_q"
    return z.grad, estimator(z, q, 0.0).detach()


@pytest.mark.parametrize("estimator", BOTH, ids=["straight-through", "rotation"])
def test_the_value_is_the_code_vector_to_the_bit(estimator: Estimator) -> None:
    z, q = 1e4 * torch.randn(50, 8), torch.randn(50, 8)
    assert not torch.equal(z + (q - z), q), "the usual sum would not have been equal"
    assert torch.equal(estimator(z, q, 0.0), q)


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


def test_before_a_late_start_the_latent_passes_and_afterwards_the_other_estimator_decides() -> None:
    late, z, q, upstream = LateStart(start=0.25, then=Rotation()), *(torch.randn(5, 4) for _ in range(3))
    before = z.clone().requires_grad_()
    value = late(before, q, 0.2499)
    value.backward(upstream)
    assert torch.equal(value, z) and torch.equal(before.grad, upstream)  # type: ignore[arg-type]
    source = z.clone().requires_grad_()
    late(source, q, 0.25).backward(upstream)
    expected, _ = gradients(Rotation(), z, q, upstream)
    assert torch.equal(late(z, q, 0.25), q) and torch.equal(source.grad, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("start", [0.0, 1.0, -0.1])
def test_a_start_is_a_share_of_the_run(start: float) -> None:
    with pytest.raises(ValueError, match="share of the run"):
        LateStart(start=start, then=StraightThrough())


def test_a_quantizer_starts_late_by_its_progress_and_learns_meanwhile() -> None:
    quantizer = vector(estimator=LateStart(start=0.5, then=StraightThrough())).train()
    z = torch.randn(2, 4, 3)
    quantizer.advance(0.4)
    early = quantizer(z)
    assert torch.equal(early.z_q, z) and bool(quantizer.initialized) and int(quantizer.steps) == 1
    vectors = quantizer.table.vectors.clone()
    quantizer.advance(0.5)
    late = quantizer(z)
    assert torch.equal(late.z_q.movedim(1, -1), vectors[late.codes[0]]) and not torch.equal(late.z_q, z)
    quantizer.advance(0.0)
    quantizer.eval()
    assert torch.equal(quantizer(z).z_q, quantizer.decode(quantizer.encode(z))), "evaluation always quantizes"
