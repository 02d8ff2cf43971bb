"""In which steps a discriminator that takes part is updated: discriminators dominate the time of a step."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from signaltok.layers.draws import seeded
from signaltok.parts import Part


class Updates(Part, nn.Module, ABC):
    """Which steps of the run update the discriminator."""

    @abstractmethod
    def due(self, step: int) -> bool:
        """Whether this step of the run, counted from 0, updates it: equal on all processes and after a resume."""


class EveryStep(Updates):
    """Every n-th step; 1 is each."""

    def __init__(self, *, every: int) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"adversary.updates.every is {every}; give 1 step or more")
        self.every = every

    def due(self, step: int) -> bool:
        """See Updates."""
        return step % self.every == 0


class RandomSteps(Updates):
    """Each step with a probability: 2/3 in Défossez et al. 2022 (EnCodec), section 3.4, at 24 kHz.

    Whether depends on the step and a seed in a buffer.
    """

    seed: Tensor

    def __init__(self, *, probability: float) -> None:
        super().__init__()
        if not 0 < probability <= 1:
            raise ValueError(f"adversary.updates.probability is {probability}; it must be above 0 and at most 1")
        self.probability = probability
        self.register_buffer("seed", torch.randint(2**31, ()))

    def due(self, step: int) -> bool:
        """See Updates."""
        number = torch.rand((), generator=seeded(self.seed, torch.tensor(step)), dtype=torch.float64)
        return float(number) < self.probability
