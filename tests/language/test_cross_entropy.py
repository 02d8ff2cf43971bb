"""Tiled cross-entropy equals the dense one, value and gradients, at any number of positions."""

import pytest
import torch
from torch.nn import functional as F

from signaltok.language import cross_entropy
from signaltok.language.cross_entropy import tied_cross_entropy


@pytest.mark.parametrize("count", [1, 4, 5, 11])
def test_it_equals_the_dense_form(count, monkeypatch):
    monkeypatch.setattr(cross_entropy, "TILE", 4)
    generator = torch.Generator().manual_seed(count)
    weights = torch.rand(count, generator=generator)
    targets = torch.randint(9, (count,), generator=generator)
    found = []
    for dense in (False, True):
        features = torch.randn(count, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
        rows = torch.randn(9, 6, generator=torch.Generator().manual_seed(2)).requires_grad_()
        if dense:
            losses = F.cross_entropy(features @ rows.T, targets, reduction="none")
            total = (losses * weights).sum()
        else:
            total, losses = tied_cross_entropy(features, rows, targets, weights)
            assert not losses.requires_grad
        (3 * total).backward()
        found.append((total.detach(), losses.detach(), features.grad, rows.grad))
    for tiled, expected in zip(*found, strict=True):
        torch.testing.assert_close(tiled, expected, rtol=1e-5, atol=1e-6)


def test_equal_logits_cost_the_logarithm_of_the_vocabulary():
    rows = torch.randn(10, 2)
    _, losses = tied_cross_entropy(torch.zeros(3, 2), rows, torch.tensor([0, 4, 9]), torch.ones(3))
    assert losses.tolist() == pytest.approx([2.302585] * 3)


def test_large_logits_stay_finite():
    features = torch.tensor([[200.0]], requires_grad=True)
    total, _ = tied_cross_entropy(features, torch.tensor([[1.0], [-1.0]]), torch.tensor([1]), torch.ones(1))
    total.backward()
    assert total.item() == pytest.approx(400) and features.grad is not None and features.grad.item() == pytest.approx(2)
