"""Levels of a stack begin apart: each looks at directions of its own, as rotations where that is asked for."""

import pytest
import torch
from plain import residual, vector
from torch import Tensor, nn

from signaltok.quantizers.multiscale import MultiscaleQuantizer

WIDE, NARROW, LEVELS = 12, 3, 3


def stack(kind: str, *, orthogonal: bool, codebook_dim: int = NARROW, inner: int = WIDE) -> nn.Module:
    level = vector(inner, 16, codebook_dim=codebook_dim)
    if kind == "residual":
        return residual(level, latent_dim=WIDE, num_codebooks=LEVELS, orthogonal=orthogonal)
    return MultiscaleQuantizer(
        latent_dim=WIDE, scales=[1, 2, 4], level=level, shared=False, upsampling="nearest", smoothing=None,
        orthogonal=orthogonal,
    )  # fmt: skip


def is_rotation(there: nn.Module, back: nn.Module) -> bool:
    assert isinstance(there, nn.Linear) and isinstance(back, nn.Linear)
    few = min(there.weight.shape)
    product = there.weight @ back.weight if there.weight.shape[0] == few else back.weight @ there.weight
    return (
        torch.allclose(product, torch.eye(few), atol=1e-6)
        and torch.equal(back.weight, there.weight.T)
        and not bool(there.bias.any())
        and not bool(back.bias.any())
    )


@pytest.mark.parametrize("kind", ["residual", "multiscale"])
@pytest.mark.parametrize("orthogonal", [False, True])
def test_every_level_has_maps_of_its_own(kind, orthogonal):
    levels = stack(kind, orthogonal=orthogonal).levels
    for number, level in enumerate(levels):
        assert is_rotation(level.project_in, level.project_out) == orthogonal
        for other in levels[number + 1 :]:
            assert not torch.equal(level.project_in.weight, other.project_in.weight)
            assert not torch.equal(level.project_out.weight, other.project_out.weight)


@pytest.mark.parametrize("kind", ["residual", "multiscale"])
@pytest.mark.parametrize("orthogonal", [False, True])
def test_the_maps_of_the_stack_begin_as_those_of_levels(kind, orthogonal):
    quantizer = stack(kind, orthogonal=orthogonal, inner=NARROW)
    assert is_rotation(quantizer.project_in, quantizer.project_out) == orthogonal


@torch.no_grad()
def left(orthogonal: bool) -> float:
    """Share of a latent's energy that no level of the stack can say, if all could say what they read."""
    torch.manual_seed(0)
    z = torch.randn(1, WIDE, 400)
    residual: Tensor = z
    for level in stack("residual", orthogonal=orthogonal).levels:
        rows = residual.movedim(1, -1)
        residual = residual - level.project_out(level.project_in(rows)).movedim(-1, 1)
    return float(residual.square().mean() / z.square().mean())


def test_rotations_leave_to_each_level_what_those_before_cannot_say():
    # Projections on 3 of 12 directions, one after the other: (1 - 3/12)^3 of the energy on average, at least a quarter.
    assert 0.25 < left(orthogonal=True) < 0.6
    assert left(orthogonal=False) > 0.9


def test_levels_without_maps_draw_nothing():
    torch.manual_seed(0)
    level = vector(WIDE, 16)
    state = torch.get_rng_state()
    residual(level, latent_dim=WIDE, num_codebooks=LEVELS, orthogonal=True)
    assert torch.equal(torch.get_rng_state(), state)
