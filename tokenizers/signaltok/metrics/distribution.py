"""Distances between two whole sets of pictures, the originals of a split and their reconstructions, by features.

A number of this kind is nothing without its protocol: extractor, size and filter of the resize, rounding, reference
and number of pictures. `protocol` says it, and whoever shows the number shows that beside it.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.metrics.extractors import FeatureExtractor
from signaltok.parts import Part


class SetMetric(Part, ABC):
    """A number about two sets of features; not a mean over items, and biased where there are few of them."""

    extractor: FeatureExtractor
    words: str  # what is computed of the features

    @abstractmethod
    def distance(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
        """Between the originals' features x and the reconstructions' y, in float64. At least two items."""

    def protocol(self, items: int) -> str:
        """What the number is, in one line."""
        return f"{self.words}; {self.extractor.words()}; against the {items:,} originals of the same split"


class FrechetDistance(SetMetric):
    """|m - n|^2 + tr(S + T - 2 (S T)^(1/2)) of means m, n and covariances S, T (Dowson and Landau 1982).

    With Inception's features it is FID (Heusel et al. 2017). With fewer items than features the covariances have no
    full rank and the number is far too high: compare it at equal numbers of items alone.
    """

    words = "Fréchet distance of Gaussians (unbiased covariances)"

    def __init__(self, *, extractor: FeatureExtractor) -> None:
        self.extractor = extractor

    def distance(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
        """See SetMetric."""
        _check_items(x)
        means = x.mean(0) - y.mean(0)
        s, t = (torch.cov(features.T).reshape(features.shape[1], -1) for features in (x, y))
        # tr (S T)^(1/2) = tr (R T R)^(1/2) with R = S^(1/2): a symmetric matrix, whose roots are real.
        values, vectors = torch.linalg.eigh(s)
        root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
        cross = torch.linalg.eigvalsh(root @ t @ root).clamp_min(0).sqrt().sum()
        return max(0.0, float(means.square().sum() + s.trace() + t.trace() - 2 * cross))


class KernelDistance(SetMetric):
    """Unbiased squared maximum mean discrepancy with k(x, y) = (x . y / d + 1)^3 (Binkowski et al. 2018, equation 4).

    With Inception's features it is KID. Over all pairs of items at once, not over random subsets, so it is the same
    every time; it can be a little below 0.
    """

    words = "unbiased MMD^2, kernel (x·y/d + 1)^3, one estimate over all items"

    def __init__(self, *, extractor: FeatureExtractor) -> None:
        self.extractor = extractor

    def distance(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
        """See SetMetric."""
        _check_items(x)
        return float(_mean_of_pairs(x) + _mean_of_pairs(y) - 2 * _kernel_sum(x, y) / (len(x) * len(y)))


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    """Over all pairs, in blocks of rows, so that many items need no matrix of all pairs."""
    return torch.stack([(rows @ y.T / x.shape[1] + 1).pow(3).sum() for rows in x.split(1024)]).sum()


def _mean_of_pairs(x: Tensor) -> Tensor:
    """Over the pairs of two different items."""
    itself = (x.square().sum(1) / x.shape[1] + 1).pow(3).sum()
    return (_kernel_sum(x, x) - itself) / (len(x) * (len(x) - 1))


def _check_items(x: Tensor) -> None:
    if len(x) < 2:
        raise ValueError(f"a distance between sets needs two pictures or more, got {len(x)}; leave it out of metrics")
