"""Distances between signal values: means over the valid positions and all channels, padding left out.

With several processes each gives its part of the mean over all of them.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import valid_mask


class SquaredError(Term):
    """mean (x - y)^2."""

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """The mean of the squared differences, at least in float32."""
        return _mean(batch, reconstruction, lambda difference: difference.square())


class AbsoluteError(Term):
    """mean |x - y|."""

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """The mean of the absolute differences, at least in float32."""
        return _mean(batch, reconstruction, lambda difference: difference.abs())


def _mean(batch: Batch, reconstruction: Reconstruction, distance: Callable[[Tensor], Tensor]) -> Float[Tensor, ""]:
    signal = reconstruction.signal
    assert signal.shape == batch.signal.shape, f"{tuple(signal.shape)} reconstructs {tuple(batch.signal.shape)}"
    difference = full_precision(signal) - full_precision(batch.signal)
    if batch.lengths is None:
        return part_of_group_mean(distance(difference).mean(), difference.numel())
    mask = valid_mask(batch.lengths, tuple(batch.signal.shape[2:]))
    # where, before the distance: what stands in the padding, finite or not, has neither value nor gradient.
    count = mask.sum() * batch.signal.shape[1]
    return part_of_group_mean(distance(difference.where(mask, 0.0)).sum() / count, count)
