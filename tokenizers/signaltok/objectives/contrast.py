"""Losses of similarities between items and what belongs to them, and their learned temperature.

Rows are a process's own items, columns those of the whole group's batch; `target` says how far a column belongs to a
row, from 0 to 1. What counts as a positive or is left out is decided in objectives.align.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.parts import Part

MOST = math.log(100)  # of the logarithm of the scale: Radford et al. 2021, section 2.5


class Contrast(Part, nn.Module, ABC):
    """similarities -> one loss a row. log_scale: of the factor of the similarities, held in 0 .. ln 100."""

    symmetric: bool  # whether columns are told apart by rows too, so that both directions are needed
    log_scale: nn.Parameter

    def scale(self) -> Float[Tensor, ""]:
        """exp of the learned logarithm, which is first put back where it has left its bounds in the last step."""
        with torch.no_grad():
            self.log_scale.clamp_(0.0, MOST)
        return self.log_scale.exp()

    @abstractmethod
    def forward(
        self, similarities: Float[Tensor, "n m"], target: Float[Tensor, "n m"], counted: Bool[Tensor, "n m"]
    ) -> Float[Tensor, " n"]:
        """target: how far columns belong to a row, one for at least one of them; counted: which are looked at."""


class SoftmaxContrast(Contrast):
    """CLIP (Radford et al. 2021, figure 3): cross-entropy of softmax(scale * similarities), both ways.

    The targets of a row are divided by their sum: several positives share it evenly. temperature: at the start, of
    which scale is the inverse.
    """

    symmetric = True

    def __init__(self, *, temperature: float) -> None:
        super().__init__()
        self.log_scale = _start(1 / temperature if temperature > 0 else 0.0)

    def forward(
        self, similarities: Float[Tensor, "n m"], target: Float[Tensor, "n m"], counted: Bool[Tensor, "n m"]
    ) -> Float[Tensor, " n"]:
        """See Contrast."""
        logits = (self.scale() * similarities).masked_fill(~counted, float("-inf"))
        chosen = logits.log_softmax(1).masked_fill(target == 0, 0.0)
        return -(chosen * target).sum(1) / target.sum(1)


class SigmoidContrast(Contrast):
    """SigLIP (Zhai et al. 2023, algorithm 1): -sum over columns of log sigmoid(±(scale * similarity + bias)).

    + for the columns that belong to the row, and a mean of both weighed by the target where it is a share. No softmax,
    so no direction and no large batch is needed. scale: at the start.
    """

    symmetric = False

    def __init__(self, *, scale: float, bias: float) -> None:
        super().__init__()
        self.log_scale = _start(scale)
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(
        self, similarities: Float[Tensor, "n m"], target: Float[Tensor, "n m"], counted: Bool[Tensor, "n m"]
    ) -> Float[Tensor, " n"]:
        """See Contrast."""
        logits = self.scale() * similarities + self.bias
        each = target * F.logsigmoid(logits) + (1 - target) * F.logsigmoid(-logits)
        return -each.masked_fill(~counted, 0.0).sum(1)


def _start(scale: float) -> nn.Parameter:
    if not 1 <= scale <= 100:
        raise ValueError(
            f"the factor of the similarities starts at {scale:g}; it is held in 1 .. 100 (temperature 1 .. 0.01)"
        )
    return nn.Parameter(torch.tensor(math.log(scale)))
