"""The temporal difference: what changes from frame to frame is to change alike, so that nothing flickers."""

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import valid_mask


class MotionError(Term):
    """mean |(x[t + 1] - x[t]) - (y[t + 1] - y[t])| over all frames but the last, padding left out.

    With several processes each gives its part of the mean over all of them. Videos of a single frame have no motion: of
    a batch of such, zero.
    """

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """The mean of the absolute differences, at least in float32. Raises ValueError for what is no video."""
        if batch.signal.ndim != 5:
            raise ValueError(
                f"the motion term needs videos [b, c, t, h, w], got signals of shape {tuple(batch.signal.shape)}; take "
                "it out of objective.terms"
            )
        difference = full_precision(reconstruction.signal) - full_precision(batch.signal)
        if batch.lengths is None:
            change = difference.diff(dim=2)
            return part_of_group_mean(change.abs().mean() if change.numel() else difference.sum() * 0, change.numel())
        size = tuple(batch.signal.shape[2:])
        mask = valid_mask(batch.lengths, size)
        # where, before the differences: what stands in the padding, finite or not, has neither value nor gradient.
        change = difference.where(mask, 0.0).diff(dim=2)
        both = mask[:, :, 1:]
        count = both.sum() * batch.signal.shape[1]
        total = (change * both).abs().sum()
        return part_of_group_mean(total / torch.clamp(count, min=1) + difference.where(mask, 0.0).sum() * 0, count)
