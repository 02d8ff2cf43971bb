"""What becomes of codes that nothing uses (Jukebox, Dhariwal et al. 2020, section 3.1: random restarts)."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.parts import Part


class UsageRevival(Part):
    """A code whose running count falls under `threshold` times the mean count is dead and starts again from a latent.

    Asked every `every` steps, and not after the share `until` of the run, so that the codes can settle.
    """

    def __init__(self, *, threshold: float, every: int, until: float) -> None:
        if not 0 < threshold < 1 or every < 1 or not 0 <= until <= 1:
            raise ValueError(
                f"threshold must lie in (0, 1), every be at least 1 and until lie in [0, 1]; "
                f"got threshold={threshold}, every={every}, until={until}"
            )
        self.threshold, self.every, self.until = threshold, every, until

    def dead(self, counts: Float[Tensor, " K"], step: int, progress: float) -> Int64[Tensor, " m"]:
        """Indices of the codes to replace now; empty between the times of asking."""
        if step % self.every or progress >= self.until:
            return torch.empty(0, dtype=torch.int64, device=counts.device)
        return (counts < self.threshold * counts.mean()).nonzero()[:, 0]
