"""Ridge regression in closed form: how well a linear map reads labels off features.

With standardised features X [n, d] and centred one-hot targets Y, the map that minimises |X W - Y|^2 + n penalty |W|^2
is W = (X^T X + n penalty I)^-1 X^T Y = X^T (X X^T + n penalty I)^-1 Y; the smaller of the two systems is solved.
Nothing is drawn and nothing iterates, so the same features give the same number.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Ridge:
    """A fitted map: scores = (x - mean) / scale @ weights + share, a column a class."""

    mean: Float[Tensor, " d"]
    scale: Float[Tensor, " d"]
    weights: Float[Tensor, "d k"]
    share: Float[Tensor, " k"]

    def scores(self, features: Float[Tensor, "m d"]) -> Float[Tensor, "m k"]:
        """Of each class, in float64; the largest is the answer."""
        return (features.double() - self.mean) / self.scale @ self.weights + self.share


def fit(features: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], classes: int, penalty: float) -> Ridge:
    """Fit labels 0 to classes - 1. A feature that never varies counts as zero. Raises ValueError without any item."""
    if not len(features):
        raise ValueError("a linear map cannot be fitted to no item; take more data")
    x = features.double()
    mean, deviation = x.mean(0), x.std(0, correction=0)
    scale = torch.where(deviation > 0, deviation, 1.0)
    x = (x - mean) / scale
    one_hot = F.one_hot(labels, classes).double()
    share = one_hot.mean(0)
    y, (n, d) = one_hot - share, x.shape
    if d <= n:
        weights = _solved(x.T @ x, n * penalty, x.T @ y)
    else:
        weights = x.T @ _solved(x @ x.T, n * penalty, y)
    return Ridge(mean=mean, scale=scale, weights=weights, share=share)


def accuracy(ridge: Ridge, features: Float[Tensor, "m d"], labels: Int64[Tensor, " m"]) -> float:
    """The share of the items whose label has the largest score."""
    if not len(features):
        raise ValueError("accuracy over no item is not defined; take more data")
    return float((ridge.scores(features).argmax(1) == labels).double().mean())


def _solved(gram: Float[Tensor, "m m"], ridge: float, right: Float[Tensor, "m k"]) -> Float[Tensor, "m k"]:
    """(gram + ridge I)^-1 right; positive definite, as ridge is above 0."""
    gram.diagonal().add_(ridge)
    return torch.cholesky_solve(right, torch.linalg.cholesky(gram))
