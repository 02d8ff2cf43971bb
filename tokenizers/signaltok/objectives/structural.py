"""Structural dissimilarity of pictures and frames (Zhao, Gallo, Frosio, Kautz 2017, equation 6, beside the L1)."""

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.layers.structural_similarity import WINDOW, structural_similarity
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction


class StructuralDissimilarity(Term):
    """1 - SSIM, a mean over the valid extents of the pictures; of videos, over their frames.

    With several processes each gives its part of the mean over all of them. value_range: (low, high) of the signal;
    SSIM is defined for values that start at zero.
    """

    def __init__(self, *, value_range: list[float]) -> None:
        super().__init__()
        self.low, self.high = value_range

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """0 for equal pictures, at least in float32. Raises ValueError for pictures smaller than the window."""
        x, y = (self._unit(signal) for signal in (batch.signal, reconstruction.signal))
        if batch.lengths is None:
            return part_of_group_mean(1 - self._similarity(x, y).mean(), x.numel())
        cuts = [(slice(None), *map(slice, row)) for row in batch.lengths.tolist()]
        # A mean over positions, not over pictures: a larger picture counts for more, as in the other terms.
        sizes = batch.lengths.prod(1)
        each = [self._similarity(a[cut], b[cut]).mean() for a, b, cut in zip(x, y, cuts, strict=True)]
        mean = (torch.stack(each) * sizes).sum() / sizes.sum()
        return part_of_group_mean(1 - mean, sizes.sum() * x.shape[1])

    def _unit(self, signal: Tensor) -> Tensor:
        return (full_precision(signal) - self.low) / (self.high - self.low)

    @staticmethod
    def _similarity(x: Float[Tensor, "*n h w"], y: Float[Tensor, "*n h w"]) -> Float[Tensor, " m"]:
        if min(x.shape[-2:]) < WINDOW:
            raise ValueError(
                f"the structural term needs pictures of at least {WINDOW} x {WINDOW}, got {tuple(x.shape[-2:])}; "
                "set data.size higher or objective=absolute_error"
            )
        return structural_similarity(x.flatten(0, -3), y.flatten(0, -3))
