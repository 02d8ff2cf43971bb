"""Negative SI-SDR: falls as the reconstruction gets better, and does not look at its level."""

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.layers.signal_ratio import si_sdr
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import valid_mask


class NegativeSISDR(Term):
    """- SI-SDR in dB (Le Roux et al. 2019, equation 4), a mean over the items of a batch, all channels at once.

    Nothing in it holds the level, so it goes beside a term that does. guard: added to both powers, so that silence and
    equality stay finite. With several processes each gives its part of the mean over all of them.
    """

    def __init__(self, *, guard: float) -> None:
        super().__init__()
        if not guard > 0:
            raise ValueError(f"guard is {guard}; it keeps the ratio of silence finite and must be above 0")
        self.guard = guard

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """Lower is better; at least in float32."""
        x, y = full_precision(batch.signal), full_precision(reconstruction.signal)
        if batch.lengths is not None:
            mask = valid_mask(batch.lengths, tuple(x.shape[2:]))
            x, y = x.where(mask, 0.0), y.where(mask, 0.0)
        with torch.autocast(x.device.type, enabled=False):
            ratios = si_sdr(x.flatten(1), y.flatten(1), self.guard)
        return part_of_group_mean(-ratios.mean(), len(ratios))
