"""Charts: closed forms, and that nothing but what they say is lost."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from signaltok.quantizers.chart import LEAST, Direction, Stereographic


def vectors(seed: int, length: float) -> torch.Tensor:
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return length * x


def test_a_direction_is_the_vector_without_its_length() -> None:
    x, chart = vectors(0, 3.0), Direction()
    assert torch.equal(chart.lift(x), x / x.norm(dim=1, keepdim=True))
    assert torch.equal(chart.lower(chart.lift(x)), chart.lift(x)) and torch.equal(chart.towards(x), x)
    assert chart.unit and chart.extra == 0


@given(st.integers(0, 100), st.floats(0.01, 10.0), st.floats(0.3, 30.0))
def test_stereographic_vectors_come_back_as_they_were(seed, length, radius) -> None:
    x, chart = vectors(seed, length), Stereographic(radius=radius)
    u = chart.lift(x)
    assert u.shape == (7, 6) and not chart.unit and chart.extra == 1
    torch.testing.assert_close(u.norm(dim=1), torch.ones(7, dtype=torch.float64))
    near = x.norm(dim=1) < 20 * radius  # farther out it is held back, see LEAST
    torch.testing.assert_close(chart.lower(u)[near], x[near])


def test_stereographic_points_and_distances_are_those_of_the_formula() -> None:
    chart = Stereographic(radius=2.0)
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, -2.0], [6.0, 0.0]])
    expected = torch.tensor([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.6, 0.0, 0.8]])
    torch.testing.assert_close(chart.lift(x), expected)
    square = x.square().sum(1)
    distances = 4 * 4 * torch.cdist(x, x).square() / ((square[:, None] + 4) * (square + 4))
    torch.testing.assert_close(torch.cdist(chart.lift(x), chart.lift(x)).square(), distances)


def test_the_nearest_of_short_vectors_is_the_nearest_of_plain_distances() -> None:
    x, entries = vectors(1, 1.0), vectors(2, 1.0)
    nearest = torch.cdist(x, entries).argmin(1)
    wide = Stereographic(radius=100.0)
    assert torch.equal((wide.lift(x) @ wide.lift(entries).T).argmax(1), nearest)


def test_at_the_pole_that_is_infinitely_far_values_and_slopes_are_finite() -> None:
    u = torch.tensor([[0.0, 0.0, 1.0], [1e-4, 0.0, 1.0]], requires_grad=True)
    lowered = Stereographic(radius=3.0).lower(u)
    torch.testing.assert_close(lowered, torch.tensor([[0.0, 0.0], [3e-4 / LEAST, 0.0]]))
    lowered.sum().backward()
    assert bool(u.grad.isfinite().all())


def test_a_radius_that_is_none_is_refused() -> None:
    for radius in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"radius must be above 0 and finite, got {radius}"):
            Stereographic(radius=radius)
