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
    for loss_of in (tied_cross_entropy, lambda h, e, y: F.cross_entropy(h @ e.T, y, reduction="none")):
        features = torch.randn(count, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
        rows = torch.randn(9, 6, generator=torch.Generator().manual_seed(2)).requires_grad_()
        losses = loss_of(features, rows, targets)
        (losses * weights).sum().backward()
        found.append((losses.detach(), features.grad, rows.grad))
    for tiled, dense in zip(*found, strict=True):
        torch.testing.assert_close(tiled, dense, rtol=1e-5, atol=1e-6)


def test_equal_logits_cost_the_logarithm_of_the_vocabulary():
    losses = tied_cross_entropy(torch.zeros(3, 2), torch.randn(10, 2), torch.tensor([0, 4, 9]))
    assert losses.tolist() == pytest.approx([2.302585] * 3)


def test_large_logits_stay_finite():
    features = torch.tensor([[200.0]], requires_grad=True)
    losses = tied_cross_entropy(features, torch.tensor([[1.0], [-1.0]]), torch.tensor([1]))
    losses.sum().backward()
    assert (
        losses.item() == pytest.approx(400) and features.grad is not None and features.grad.item() == pytest.approx(2)
    )
