"""How much the adversary counts against the objective."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from signaltok.exactness import full_precision
from signaltok.parts import Part
from signaltok.processes import place, sum_over_group


class WeightRule(Part, ABC):
    """The weight of the generator's loss. measures: whether it looks at gradients, in float32, at the last layer."""

    measures: bool

    @abstractmethod
    def weight(
        self,
        *,
        objective: Float[Tensor, ""],
        signal: Float[Tensor, "b c *s"],
        gradient: Float[Tensor, "b c *s"],
        layer: nn.Parameter,
    ) -> Float[Tensor, ""]:
        """The weight, detached and equal on all processes.

        objective: what the adversary is added to, a function of signal. gradient: of the generator's loss, at the
        signal. layer: the weight of the layer that gives the signal.
        """


class ConstantWeight(WeightRule):
    """The same at every step."""

    measures = False

    def __init__(self, *, weight: float) -> None:
        _check_factor(weight)
        self.factor = weight

    def weight(
        self,
        *,
        objective: Float[Tensor, ""],
        signal: Float[Tensor, "b c *s"],  # noqa: ARG002
        gradient: Float[Tensor, "b c *s"],  # noqa: ARG002
        layer: nn.Parameter,  # noqa: ARG002
    ) -> Float[Tensor, ""]:
        """See WeightRule."""
        return torch.full((), self.factor, dtype=objective.dtype, device=objective.device)


class AdaptiveGradientWeight(WeightRule):
    """weight * clamp(|grad of the objective| / (|grad of the generator's loss| + epsilon), least, most).

    Esser, Rombach, Ommer 2021, equation 7; both gradients at the last layer's weight. Losses of the quantizer have no
    gradient there, so the objective's is that of what compares signals.
    """

    measures = True

    def __init__(self, *, weight: float, epsilon: float, least: float, most: float) -> None:
        _check_factor(weight)
        if not epsilon > 0 or not 0 <= least <= most:
            raise ValueError(
                f"adversary.weight has epsilon {epsilon}, least {least} and most {most}; give an epsilon above 0 and "
                "0 <= least <= most"
            )
        self.factor = weight
        self.epsilon = epsilon
        self.least = least
        self.most = most

    def weight(
        self,
        *,
        objective: Float[Tensor, ""],
        signal: Float[Tensor, "b c *s"],
        gradient: Float[Tensor, "b c *s"],
        layer: nn.Parameter,
    ) -> Float[Tensor, ""]:
        """See WeightRule."""
        with torch.autocast(signal.device.type, enabled=False):
            (ours,) = torch.autograd.grad(objective, layer, retain_graph=True)
            (theirs,) = torch.autograd.grad(signal, layer, gradient, retain_graph=True)
            # The norms of the whole batch's gradients, which are no means of the processes' norms.
            both = sum_over_group(full_precision(torch.stack([ours, theirs]))) / place()[1]
            norms = both.flatten(1).norm(dim=1)
            return self.factor * (norms[0] / (norms[1] + self.epsilon)).clamp(self.least, self.most)


def _check_factor(weight: float) -> None:
    if not 0 < weight < float("inf"):
        raise ValueError(
            f"adversary.weight.weight is {weight}; give a finite number above 0, or leave it out by '~adversary'"
        )
