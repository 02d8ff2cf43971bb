"""A late start in stacks of residuals: the stack starts late, its levels do not."""

import copy

import pytest
import torch
from plain import residual as plain_residual
from plain import vector
from torch import Tensor

from signaltok.parts import Quantizer
from signaltok.quantizers.codebook.estimator import LateStart, Rotation, StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.quantizers.multiscale import MultiscaleQuantizer
from signaltok.quantizers.residual import ResidualQuantizer

START = 0.25


def late() -> LateStart:
    return LateStart(start=START, then=StraightThrough())


def residual(level: Quantizer, **changes: object) -> ResidualQuantizer:
    return plain_residual(level, **{"latent_dim": 6} | changes).train()


def nested(level: Quantizer) -> ResidualQuantizer:
    return residual(residual(level, latent_dim=4, num_codebooks=2), num_codebooks=2)


def scales(level: Quantizer) -> MultiscaleQuantizer:
    return MultiscaleQuantizer(
        latent_dim=6,
        scales=[1, 2, 4],
        level=level,
        shared=False,
        upsampling="nearest",
        smoothing=None,
        orthogonal=False,
    ).train()


def latent() -> Tensor:
    return torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(1))


STACKS = {
    "residual": residual,
    "dropout": lambda level: residual(level, dropout=1.0),
    "nested": nested,
    "scales": scales,
}


@pytest.mark.parametrize("name", STACKS)
def test_before_the_start_the_stack_passes_its_latent_and_its_levels_learn_as_ever(name: str) -> None:
    torch.manual_seed(0)
    early = STACKS[name](vector(4, estimator=late()))
    plain = STACKS[name](vector(4))
    plain.load_state_dict(copy.deepcopy(early.state_dict()))
    z, upstream = latent().requires_grad_(), torch.randn(3, 6, 8)
    for step in range(3):
        early.advance(START * step / 3)
        plain.advance(START * step / 3)
        found, expected = early(z), plain(z)
        # What passes is the projection to four channels and back, the gradient to z is that of both maps.
        passed = early.project_out(early.project_in(z.movedim(1, -1))).movedim(-1, 1)
        torch.testing.assert_close(found.z_q, passed)
        gradients = [torch.autograd.grad(out, z, upstream)[0] for out in (found.z_q, passed)]
        torch.testing.assert_close(*gradients)
        assert all(torch.equal(a, b) for a, b in zip(found.codes, expected.codes, strict=True))
        assert all(torch.equal(found.losses[key], value) for key, value in expected.losses.items())
    state = plain.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in early.state_dict().items())
    last = [value for key, value in state.items() if key.endswith("table.vectors")][-1]
    assert last.abs().amax() > 0.01, "the last level learned from what the others left, not from zeros"
    early.advance(START)
    plain.advance(START)
    assert torch.equal(early(z).z_q, plain(z).z_q)


def test_evaluation_always_quantizes() -> None:
    quantizer = residual(vector(4, estimator=late()))
    quantizer(latent())
    quantizer.eval()
    assert torch.equal(quantizer(latent()).z_q, quantizer.decode(quantizer.encode(latent())))


def test_finite_scalars_start_late_too() -> None:
    level = FiniteScalarQuantizer(latent_dim=6, levels=[5] * 6, estimator=late())
    quantizer = residual(level, rescale=4.0)
    assert torch.equal(quantizer(latent()).z_q, latent())
    quantizer.advance(START)
    assert not torch.equal(quantizer(latent()).z_q, latent())
    assert isinstance(level.estimator, LateStart), "the part that was given stays as it is"


@pytest.mark.parametrize("stack", [residual, scales])
def test_levels_with_maps_of_their_own_are_refused(stack) -> None:
    with pytest.raises(ValueError, match="let the stack project instead"):
        stack(vector(6, codebook_dim=2, estimator=late()))
    with pytest.raises(ValueError, match="let the stack project instead"):
        stack(FiniteScalarQuantizer(latent_dim=6, levels=[5, 5], estimator=late()))


@pytest.mark.parametrize("stack", [residual, nested, scales])
def test_an_estimator_that_the_stack_passes_by_is_refused(stack) -> None:
    for estimator in (Rotation(), LateStart(start=START, then=Rotation())):
        with pytest.raises(ValueError, match="Rotation would do nothing in the levels of this stack"):
            stack(vector(4, estimator=estimator))
        with pytest.raises(ValueError, match="give them the estimator StraightThrough"):
            stack(FiniteScalarQuantizer(latent_dim=4, levels=[5] * 4, estimator=estimator))
    with pytest.raises(ValueError, match="Rotation would do nothing"):
        stack(GroupedQuantizer(latent_dim=4, num_groups=2, member=vector(2, estimator=Rotation())))


@pytest.mark.parametrize("stack", [residual, scales])
def test_levels_with_maps_of_their_own_keep_their_estimator(stack) -> None:
    z, upstream = latent().requires_grad_(), torch.randn(3, 6, 8)
    gradients = []
    for estimator in (Rotation(), StraightThrough()):
        torch.manual_seed(0)
        quantizer = stack(vector(6, codebook_dim=2, estimator=estimator))
        gradients += torch.autograd.grad(quantizer(z).z_q, z, upstream)
    assert not torch.allclose(*gradients)


def test_what_is_described_builds_the_same_stack_again() -> None:
    quantizer = residual(vector(4, estimator=late()))
    again = ResidualQuantizer(**quantizer.arguments)
    assert again.late_start == quantizer.late_start == START
