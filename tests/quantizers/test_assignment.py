"""How gradients pass the choice of an entry, against dense closed forms."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from signaltok.quantizers.assignment import (
    Assigned,
    Assignment,
    GumbelAssignment,
    NearestAssignment,
)
from signaltok.quantizers.gumbel_noise import ROWS_A_DRAW, exponential_block, to_gumbel

TAU = 0.4


def sphere(n: int, seed: int) -> Tensor:
    rows = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(rows, dim=1).requires_grad_()


def assigned(part: Assignment, u: Tensor, entries: Tensor, progress: float = 0.0) -> Assigned:
    nearest = (u @ entries.T).argmax(1)
    return part(u, entries, nearest, temperature=TAU, progress=progress, generator=torch.Generator().manual_seed(9))


def test_nearest_passes_straight_through_to_the_decoder_and_softly_to_the_loss() -> None:
    u, entries, upstream = sphere(30, 0), sphere(7, 1), sphere(30, 2).detach()
    found = assigned(NearestAssignment(), u, entries)
    assert torch.equal(found.codes, (u @ entries.T).argmax(1))
    assert torch.equal(found.decoded, entries[found.codes]) and torch.equal(found.identified, found.decoded)
    to_entries = torch.zeros_like(entries).index_add_(0, found.codes, upstream)
    straight = torch.autograd.grad(found.decoded, [u, entries], upstream, retain_graph=True)
    assert torch.equal(straight[0], upstream)
    torch.testing.assert_close(straight[1], to_entries)
    soft = torch.autograd.grad(found.identified, [u, entries], upstream)
    (expected,) = torch.autograd.grad((u @ entries.T / TAU).softmax(1) @ entries.detach(), u, upstream)
    torch.testing.assert_close(soft[0], expected)
    torch.testing.assert_close(soft[1], to_entries)


def test_gumbel_samples_forward_and_its_relaxation_is_the_gradient() -> None:
    part = GumbelAssignment(start=2.0, end=0.5, until=0.5)
    u, entries, upstream = sphere(ROWS_A_DRAW + 40, 0), sphere(7, 1), sphere(ROWS_A_DRAW + 40, 2).detach()
    found = assigned(part, u, entries, progress=0.25)
    seed = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(9)))
    noise = torch.cat([to_gumbel(exponential_block(seed + n, 7, torch.float64)) for n in range(2)])[: len(u)]
    noisy = u @ entries.T / TAU + noise
    assert torch.equal(found.codes, noisy.argmax(1)) and torch.equal(found.decoded, entries[found.codes])
    through = torch.autograd.grad(found.identified, [u, entries], upstream)
    (expected,) = torch.autograd.grad((noisy / 1.0).softmax(1) @ entries.detach(), u, upstream)
    torch.testing.assert_close(through[0], expected)
    torch.testing.assert_close(through[1], torch.zeros_like(entries).index_add_(0, found.codes, upstream))


def test_gumbel_samples_as_the_affinities_say() -> None:
    u, entries = sphere(1, 0).expand(20_000, 5), sphere(4, 1)
    codes = assigned(GumbelAssignment(start=1.0, end=1.0, until=1.0), u, entries).codes
    expected = (u[0] @ entries.T / TAU).softmax(0)
    torch.testing.assert_close(codes.bincount(minlength=4).double() / 20_000, expected, atol=0.02, rtol=0)


def test_a_process_draws_its_own_rows_of_the_whole_batch(monkeypatch) -> None:
    part, u, entries = GumbelAssignment(start=1.0, end=1.0, until=1.0), sphere(700, 0), sphere(6, 1)
    whole = assigned(part, u, entries).codes
    for before, count in ((0, 5), (ROWS_A_DRAW - 1, 2), (300, 400), (699, 1), (40, 0)):
        monkeypatch.setattr("signaltok.quantizers.assignment.rows_of_group", lambda rows, before=before: (700, before))
        assert torch.equal(assigned(part, u[before : before + count], entries).codes, whole[before : before + count])


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 2.0), (0.25, 1.0), (0.5, 0.5), (0.9, 0.5)])
def test_the_temperature_falls_by_a_constant_factor_until_its_share_of_the_run(progress, expected) -> None:
    assert math.isclose(GumbelAssignment(start=2.0, end=0.5, until=0.5).temperature(progress), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"end": 0.0}, r"end=0\.0"),
        ({"end": 3.0}, r"end=3\.0"),
        ({"until": 0.0}, r"until=0\.0"),
        ({"until": 1.5}, r"until=1\.5"),
    ],
)
def test_bad_schedules_are_refused_with_their_values(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        GumbelAssignment(**{"start": 2.0, "end": 0.5, "until": 0.5} | changes)
