"""The likelihood of the signal under the decoder's own distribution (Ramesh et al. 2021, appendix A.3)."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.layers.logit_laplace import negative_log_likelihood, to_interval
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import valid_mask


class LogitLaplaceLikelihood(Term):
    """The negative log likelihood in nats a value, a mean over the valid positions and all channels.

    It needs a decoder that gives location and scale. value_range: (low, high) of the signal. With several processes
    each gives its part of the mean over all of them.
    """

    def __init__(self, *, value_range: Sequence[float]) -> None:
        super().__init__()
        self.low, self.high = (float(value) for value in value_range)

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """The mean, at least in float32. Raises ValueError where the decoder gives no distribution."""
        likelihood = reconstruction.likelihood
        if likelihood is None:
            raise ValueError(
                "the logit-Laplace term needs a decoder that gives location and scale: set decoder=logit_laplace"
            )
        location, log_scale = full_precision(likelihood).chunk(2, dim=1)
        signal, mask = full_precision(batch.signal), None
        if batch.lengths is not None:
            mask = valid_mask(batch.lengths, tuple(signal.shape[2:]))
            # where, before the logarithms: what stands in the padding has neither value nor gradient.
            signal, location, log_scale = (x.where(mask, 0.0) for x in (signal, location, log_scale))
        # Resampled pictures overshoot their range a little; the logit has no place for more than the margin.
        x = to_interval(signal.clamp(self.low, self.high), self.low, self.high)
        each = negative_log_likelihood(x, location, log_scale)
        if mask is None:
            return part_of_group_mean(each.mean(), each.numel())
        count = mask.sum() * signal.shape[1]
        return part_of_group_mean(each.where(mask, 0.0).sum() / count, count)
