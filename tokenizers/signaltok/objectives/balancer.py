"""The balancer: weights as shares of the gradient at the reconstruction (Défossez et al. 2022, EnCodec, section 3.4).

With g_i the gradient of term i at the reconstruction and n_i a moving average of its norm, what goes on from the
reconstruction is the sum over i of total_norm * (weight_i / sum of weights) * g_i / (n_i + epsilon).
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.objectives.reducer import Reducer
from signaltok.processes import place, sum_over_group
from signaltok.types.reconstruction import Reconstruction

Signal = Float[Tensor, "b c *s"]


class Balancer(Reducer):
    """Turns the terms of a batch into what is minimized; its averages lie in buffers.

    n_i is the mean over the items of the whole group's batch of |g_i| of an item, averaged over the batches in which
    term i took part: sum of decay^age * norm over sum of decay^age. The sum of weights is over the terms of the batch.
    A term without a gradient at the reconstruction, such as the commitment, keeps its fixed weight; so a term looks at
    the reconstruction or at something else, never at both. As in the published form, each item of the batch brings the
    norm total_norm, and items add up.
    """

    sums: Tensor
    counts: Tensor

    def __init__(self, *, total_norm: float, decay: float, epsilon: float) -> None:
        super().__init__()
        if not total_norm > 0 or not 0 <= decay <= 1 or not epsilon > 0:
            raise ValueError(
                f"balance has total_norm {total_norm}, decay {decay} and epsilon {epsilon}; give a norm above 0, a "
                "decay in 0..1 and an epsilon above 0"
            )
        self.total_norm = total_norm
        self.decay = decay
        self.epsilon = epsilon
        self.weights = {}

    def watch(self, weights: Mapping[str, float]) -> None:
        """Told once, before training: the weights of all terms there will be, by name. ValueError where all are 0."""
        if not any(weights.values()):
            raise ValueError(f"balance has nothing to balance: all weights of {sorted(weights)} are 0")
        self.weights = dict(weights)
        self.register_buffer("sums", torch.zeros(len(weights)))
        self.register_buffer("counts", torch.zeros(len(weights)))

    def minimized(
        self,
        reconstruction: Reconstruction,
        values: Mapping[str, Float[Tensor, ""]],
        given: Mapping[str, tuple[Float[Tensor, ""], Signal]],
        batches_a_step: int,
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """See Reducer."""
        signal = reconstruction.signal
        outside, pull, logged = self(signal, values, given)
        # The balanced items of a step add up, over its batches too, whose losses are divided by their number.
        return outside + batches_a_step * (signal * pull).sum(), logged

    def forward(
        self,
        signal: Signal,
        values: Mapping[str, Float[Tensor, ""]],
        given: Mapping[str, tuple[Float[Tensor, ""], Signal]],
    ) -> tuple[Float[Tensor, ""], Signal, dict[str, Float[Tensor, ""]]]:
        """(what is minimized beside the reconstruction, the gradient at the reconstruction, what is logged).

        signal: the reconstruction. values: the raw terms with their graph to it. given: the value, detached, and the
        gradient at the reconstruction of terms that were gone through already. Logged are the loss, which is the sum of
        the terms, each by the factor that it counted with, and these factors, 0 for terms that take no part. Everything
        but the logged is each process's part of a mean over the group.
        """
        outside = signal.new_zeros((), dtype=torch.float32 if signal.dtype != torch.float64 else torch.float64)
        balanced = dict(given)
        for name, value in values.items():
            gradient = self._gradient(name, value, signal)
            if gradient is None:
                outside = outside + self.weights[name] * full_precision(value)
            else:
                balanced[name] = (value.detach(), gradient)
        scales = self._scales({name: gradient for name, (_, gradient) in balanced.items()})
        pull, loss = torch.zeros_like(signal), outside.detach()
        for name, (value, gradient) in balanced.items():
            pull += scales[name] * gradient
            loss = loss + scales[name] * value
        zero = torch.zeros_like(loss)
        logged = {f"balance_{name}": scales.get(name, zero) for name in self.weights}
        return outside, pull, {"loss": loss, **logged}

    def _gradient(self, name: str, value: Float[Tensor, ""], signal: Signal) -> Signal | None:
        if not self.weights[name] or not value.requires_grad:
            return None
        (gradient,) = torch.autograd.grad(value, signal, retain_graph=True, allow_unused=True)
        return gradient

    def _scales(self, gradients: Mapping[str, Signal]) -> dict[str, Float[Tensor, ""]]:
        """The factor of each term, equal on all processes; the averages take up this batch first."""
        if not gradients:
            return {}
        own = torch.stack([full_precision(gradient).flatten(1).norm(dim=1).sum() for gradient in gradients.values()])
        items = torch.tensor(len(next(iter(gradients.values()))), device=own.device)
        # A process's gradient is that of its part of the group's mean, which is as many times larger.
        norms = sum_over_group(own) / sum_over_group(items) / place()[1]
        names = list(self.weights)
        places = torch.tensor([names.index(name) for name in gradients], device=own.device)
        self.sums[places] = self.decay * self.sums[places] + norms.to(self.sums.dtype)
        self.counts[places] = self.decay * self.counts[places] + 1
        averages = self.sums[places] / self.counts[places]
        total = sum(self.weights[name] for name in gradients)
        shares = averages.new_tensor([self.total_norm * self.weights[name] / total for name in gradients])
        return dict(zip(gradients, shares / (self.epsilon + averages), strict=True))
