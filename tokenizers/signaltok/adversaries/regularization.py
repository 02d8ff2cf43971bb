"""What keeps a discriminator from running away: LeCam for few data, R1 for its slope at the originals."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.parts import Part
from signaltok.processes import part_of_group_mean, sum_over_group


class LeCam(Part, nn.Module):
    """Tseng, Jiang, Liu, Yang, Yang 2021, equation 8: mean relu(D(x) - fake)^2 + mean relu(real - D(y))^2.

    real, fake: moving averages of the logits' means over all processes; they live in buffers, and the first batch
    sets them. weight: of the penalty. decay: of the averages.
    """

    real: Tensor
    fake: Tensor
    updates: Tensor

    def __init__(self, *, weight: float, decay: float) -> None:
        super().__init__()
        if not weight > 0 or not 0 <= decay < 1:
            raise ValueError(
                f"adversary.lecam has weight {weight} and decay {decay}; give a weight above 0 and a decay in 0..1, 1 "
                "left out, or adversary.lecam=null"
            )
        self.weight = weight
        self.decay = decay
        self.register_buffer("real", torch.zeros(()))
        self.register_buffer("fake", torch.zeros(()))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def forward(self, real: Float[Tensor, " n"], fake: Float[Tensor, " m"]) -> Float[Tensor, ""]:
        """The penalty against the averages so far, 0 at the first batch; then the averages take up this batch."""
        # Averages are read before they change: the graph of the penalty holds them.
        before, started = torch.stack([self.real, self.fake]), (self.updates > 0).to(real.dtype)
        penalty = part_of_group_mean(F.relu(real - before[1]).square().mean(), real.numel())
        penalty = penalty + part_of_group_mean(F.relu(before[0] - fake).square().mean(), fake.numel())
        with torch.no_grad():
            sums = torch.stack([real.sum(), fake.sum()]).detach()
            counts = torch.tensor([real.numel(), fake.numel()], device=real.device)
            means = (sum_over_group(sums) / sum_over_group(counts)).to(before.dtype)
            kept = torch.where(self.updates > 0, self.decay, 0.0)
            after = kept * before + (1 - kept) * means
            self.real.copy_(after[0])
            self.fake.copy_(after[1])
            self.updates += 1
        return self.weight * started * penalty


class R1(Part):
    """Mescheder, Geiger, Nowozin 2018, equation 9: weight / 2 * mean |grad D(x)|^2 at the originals.

    every: batches from one penalty to the next; it is multiplied by that number (Karras et al. 2020, section 3.1).
    """

    def __init__(self, *, weight: float, every: int) -> None:
        if not weight > 0 or every < 1:
            raise ValueError(
                f"adversary.r1 has weight {weight} and every {every}; give a weight above 0 and 1 or more batches, or "
                "adversary.r1=null"
            )
        self.weight = weight
        self.every = every

    def due(self, batch: int) -> bool:
        """Whether this batch of the run, counted from 0, is penalized."""
        return batch % self.every == 0

    def penalty(self, logits: Float[Tensor, " n"], signal: Float[Tensor, "b c *s"]) -> Float[Tensor, ""]:
        """logits: of the originals, in float32. signal: the originals, which require a gradient."""
        (slope,) = torch.autograd.grad(logits.sum(), signal, create_graph=True)
        square = slope.square().flatten(1).sum(1)
        return self.weight * self.every / 2 * part_of_group_mean(square.mean(), len(signal))
