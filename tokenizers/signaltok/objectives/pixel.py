"""Distances between signal values: means over the valid positions and all channels, padding left out."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from signaltok.parts import Quantizer, Term
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import valid_mask


class SquaredError(Term):
    """mean (x - y)^2."""

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """The mean of the squared differences, in float32."""
        return _mean(batch, reconstruction, lambda difference: difference.square())


class AbsoluteError(Term):
    """mean |x - y|."""

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """The mean of the absolute differences, in float32."""
        return _mean(batch, reconstruction, lambda difference: difference.abs())


def _mean(batch: Batch, reconstruction: Reconstruction, distance: Callable[[Tensor], Tensor]) -> Float[Tensor, ""]:
    signal = reconstruction.signal
    assert signal.shape == batch.signal.shape, f"{tuple(signal.shape)} reconstructs {tuple(batch.signal.shape)}"
    difference = signal.float() - batch.signal.float()
    if batch.lengths is None:
        return distance(difference).mean()
    mask = valid_mask(batch.lengths, tuple(batch.signal.shape[2:]))
    # where, before the distance: what stands in the padding, finite or not, has neither value nor gradient.
    return distance(difference.where(mask, 0.0)).sum() / (mask.sum() * batch.signal.shape[1])
