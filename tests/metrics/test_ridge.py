"""Ridge regression against the normal equations, solved another way."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from signaltok.metrics.ridge import accuracy, fit


def labelled(items: int, width: int) -> tuple[Tensor, Tensor]:
    """Three classes, features that are no plain copies of them; the second varies by far the most, one never."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(items) % 3
    features = torch.randn(items, width, generator=generator) + 1.5 * F.one_hot(labels, width)
    features[:, 1] *= 100
    features[:, -1] = 7.0
    return features, labels


@pytest.mark.parametrize(("items", "width"), [(60, 5), (12, 40)])
@pytest.mark.parametrize("penalty", [1e-3, 2.0])
def test_the_fit_is_the_least_squares_solution_with_the_penalty_as_further_rows(items, width, penalty):
    features, labels = labelled(items, width)
    found = fit(features, labels, 3, penalty)
    x = features.double()
    deviation = x.std(0, correction=0)
    deviation[-1] = 1
    x = (x - x.mean(0)) / deviation
    y = F.one_hot(labels, 3).double()
    further = (items * penalty) ** 0.5 * torch.eye(width, dtype=torch.float64)
    rows, targets = torch.cat([x, further]), torch.cat([y - y.mean(0), torch.zeros(width, 3, dtype=torch.float64)])
    expected = torch.linalg.lstsq(rows, targets).solution
    assert torch.allclose(found.weights, expected, atol=1e-10)
    # The normal equations: the gradient of the penalised squared error is zero.
    residual = x @ found.weights - (y - y.mean(0))
    assert torch.allclose(x.T @ residual + items * penalty * found.weights, torch.zeros(width, 3).double(), atol=1e-9)
    assert torch.allclose(found.scores(features), x @ expected + y.mean(0), atol=1e-9)


def test_separable_classes_are_told_and_random_ones_are_not():
    features, labels = labelled(600, 8)
    one, other = slice(0, 300), slice(300, 600)
    assert accuracy(fit(features[one], labels[one], 3, 1e-3), features[other], labels[other]) > 0.6
    shuffled = labels[torch.randperm(600, generator=torch.Generator().manual_seed(1))]
    assert accuracy(fit(features[one], shuffled[one], 3, 1e-3), features[other], shuffled[other]) < 0.45


def test_units_of_the_features_change_nothing():
    features, labels = labelled(60, 5)
    units = torch.tensor([1e-3, 1e4, 1.0, -2.0, 3.0])
    one = fit(features, labels, 3, 0.1).scores(features)
    assert torch.allclose(fit(features * units + 5, labels, 3, 0.1).scores(features * units + 5), one, atol=1e-4)


def test_nothing_to_fit_or_to_measure_is_named():
    features, labels = labelled(6, 5)
    with pytest.raises(ValueError, match="cannot be fitted to no item"):
        fit(features[:0], labels[:0], 3, 0.1)
    with pytest.raises(ValueError, match="accuracy over no item"):
        accuracy(fit(features, labels, 3, 0.1), features[:0], labels[:0])
