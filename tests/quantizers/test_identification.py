"""The contrastive loss against its closed forms and against a loop over positions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from signaltok.quantizers.identification import Identification, first_equal


def build(**changes: object) -> Identification:
    plain = {"temperature": 0.1, "ties": "keep", "num_negatives": 6, "negatives": "batch"}
    return Identification(**plain | changes)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def loss(part: Identification, anchors: Tensor, targets: Tensor, names: Tensor, positions: list[int]) -> Tensor:
    return part(anchors, targets, names, torch.tensor(positions), seeded())


def distinct(n: int) -> Tensor:
    return torch.arange(n)[:, None]


@pytest.mark.parametrize("negatives", ["batch", "item"])
@pytest.mark.parametrize("num_negatives", [1, 5, 11, 500])
def test_a_collapsed_codebook_costs_ln_one_plus_n_with_ties_and_nothing_without(negatives, num_negatives) -> None:
    anchors, one = torch.randn(24, 5), torch.randn(1, 5).expand(24, 5)
    names, positions = torch.zeros(24, 2, dtype=torch.int64), [12, 12]
    there = min(num_negatives, 11 if negatives == "item" else 23)
    options = {"num_negatives": num_negatives, "negatives": negatives}
    kept = loss(build(**options), anchors, one, names, positions)
    assert float(kept) == pytest.approx(math.log(1 + there), rel=1e-6)
    assert float(loss(build(ties="mask", **options), anchors, one, names, positions)) == 0.0


@pytest.mark.parametrize("ties", ["keep", "mask"])
def test_equal_scores_cost_ln_one_plus_n(ties) -> None:
    anchors = torch.zeros(20, 6)
    anchors[:, 5] = torch.rand(20) + 0.5  # at right angles to every target
    targets = torch.cat([torch.randn(20, 5), torch.zeros(20, 1)], 1)
    found = loss(build(ties=ties, num_negatives=7), anchors, targets, distinct(20), [20])
    assert float(found) == pytest.approx(math.log(8), rel=1e-6)


def by_loop(anchors: Tensor, targets: Tensor, names: Tensor, items: Tensor, tau: float, mask: bool) -> Tensor:
    """All other positions of the item as negatives, one position after the other."""
    each = []
    for i in range(len(anchors)):
        others = [j for j in range(len(anchors)) if j != i and items[j] == items[i]]
        if mask:
            others = [j for j in others if not torch.equal(names[i], names[j])]
        scores = torch.cosine_similarity(anchors[i][None], targets[[i, *others]]) / tau
        each.append(scores.logsumexp(0) - scores[0])
    return torch.stack(each).mean()


@settings(max_examples=12, deadline=None)
@given(
    positions=st.lists(st.integers(0, 5), min_size=1, max_size=3).filter(any),
    ties=st.sampled_from(["keep", "mask"]),
    negatives=st.sampled_from(["item", "batch"]),
    seed=st.integers(0, 2**31),
)
def test_with_all_others_as_negatives_it_is_the_loop_and_so_is_its_gradient(positions, ties, negatives, seed) -> None:
    generator, n = seeded(seed), sum(positions)
    anchors = torch.randn(n, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    vectors = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    names = torch.randint(3, (n, 1), generator=generator)
    targets = vectors[names[:, 0]]
    items = torch.repeat_interleave(torch.tensor(positions)) if negatives == "item" else torch.zeros(n)
    part = build(ties=ties, negatives=negatives, num_negatives=100)
    found = loss(part, anchors, targets, names, positions)
    expected = by_loop(anchors, targets, names, items, 0.1, ties == "mask")
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found, [anchors, vectors], retain_graph=True),
        torch.autograd.grad(expected, [anchors, vectors]),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_a_set_of_negatives_leaves_out_the_position_itself_and_is_as_large_for_all() -> None:
    # Targets along an axis of their own: a score tells which position it is of.
    n, drawn = 12, 4
    targets = torch.eye(n)
    seen = torch.zeros(n)
    for seed in range(40):
        anchors = torch.ones(n, n)
        part = build(num_negatives=drawn, temperature=1.0)
        anchors.requires_grad_()
        found = part(anchors, targets, distinct(n), torch.tensor([n]), seeded(seed))
        assert float(found.detach()) == pytest.approx(math.log(1 + drawn), rel=1e-6)
        (gradient,) = torch.autograd.grad(found, anchors)
        pushed = gradient > gradient.median(1, keepdim=True).values + 1e-4
        assert pushed.sum(1).tolist() == [drawn] * n and not pushed.diagonal().any()
        seen += pushed.sum(0)
    assert bool((seen > 0).all())


def test_without_positions_it_is_a_zero_with_a_gradient() -> None:
    for negatives in ("item", "batch"):
        anchors, targets = (torch.zeros(0, 3, requires_grad=True) for _ in range(2))
        found = loss(build(negatives=negatives), anchors, targets, torch.zeros(0, 1, dtype=torch.int64), [0, 0])
        found.backward()
        assert found.item() == 0 and anchors.grad is not None and targets.grad is not None


def test_equal_vectors_have_equal_names() -> None:
    vectors = torch.randn(3, 4)[[0, 1, 0, 2, 1]]
    names = first_equal(vectors)
    assert names[0] == names[2] and names[1] == names[4] and len(set(names.tolist())) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0.0}, r"temperature must be above 0, got 0\.0"),
        ({"ties": "drop"}, "ties must be one of .*'drop'"),
        ({"num_negatives": 0}, "num_negatives must be at least 1, got 0"),
        ({"negatives": "all"}, "negatives must be one of .*'all'"),
    ],
)
def test_bad_options_are_refused_with_their_values(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)
