"""How the code vectors learn."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.parts import Part
from signaltok.processes import part_of_group_mean, sum_over_group

FADED = 1e-12  # a running count under which a code's sum fades no further, so that its direction outlives float32


class Table(nn.Module, ABC):
    """The code vectors and what is remembered of their use.

    counts is a running mean of how many rows of a batch each code gets.
    """

    counts: Tensor
    vectors: Tensor

    @abstractmethod
    def start(self, vectors: Float[Tensor, "K d"]) -> None:
        """Set all vectors."""

    @abstractmethod
    def observe(self, rows: Float[Tensor, "n d"], codes: Int64[Tensor, " n"]) -> None:
        """Take in one training batch (after the search; statistics are summed over all processes)."""

    @abstractmethod
    def replace(self, indices: Int64[Tensor, " m"], vectors: Float[Tensor, "m d"]) -> None:
        """Start some codes again, with the mean count, so that the next updates do not undo it."""

    @abstractmethod
    def losses(self, rows: Float[Tensor, "n d"], q: Float[Tensor, "n d"]) -> dict[str, Tensor]:
        """What is minimised for the vectors' own sake; q carries a gradient to the vectors where they learn by it."""


class Update(Part, ABC):
    """Chooses a table. revives: whether single codes can start again."""

    losses: frozenset[str] = frozenset()
    revives: bool = True

    @abstractmethod
    def table(self, codebook_size: int, codebook_dim: int, spherical: bool) -> Table:
        """A table of vectors; spherical: they are kept at length one."""


class _AverageTable(Table):
    sums: Tensor

    def __init__(self, size: int, dim: int, spherical: bool, decay: float, epsilon: float) -> None:
        super().__init__()
        self.spherical, self.decay, self.epsilon = spherical, decay, epsilon
        self.register_buffer("vectors", torch.zeros(size, dim))
        self.register_buffer("sums", torch.zeros(size, dim))
        self.register_buffer("counts", torch.ones(size))

    def start(self, vectors: Tensor) -> None:
        self.vectors.copy_(vectors)
        self.sums.copy_(vectors)
        self.counts.fill_(1)

    def observe(self, rows: Tensor, codes: Tensor) -> None:
        size = len(self.counts)
        hits = sum_over_group(torch.bincount(codes, minlength=size)).to(self.counts.dtype)
        self.counts.mul_(self.decay).add_(hits, alpha=1 - self.decay)
        added = sum_over_group(torch.zeros_like(self.sums).index_add_(0, codes, rows))
        # What is faded was hit by nothing, so it loses nothing and gets nothing.
        self.sums.lerp_(added, (self.counts > FADED).to(added.dtype).mul_(1 - self.decay)[:, None])
        del added
        if self.spherical:
            # A code that nothing hits keeps its direction: its sum shrinks, but never to nothing.
            torch.div(self.sums, self.sums.norm(dim=1, keepdim=True).clamp_min(1e-20), out=self.vectors)
            return
        total = self.counts.sum()
        smoothed = (self.counts + self.epsilon) * (total / (total + size * self.epsilon))
        torch.div(self.sums, smoothed[:, None], out=self.vectors)

    def replace(self, indices: Tensor, vectors: Tensor) -> None:
        mean = self.counts.mean()
        self.vectors[indices] = vectors
        self.sums[indices] = vectors * mean
        self.counts[indices] = mean

    def losses(self, rows: Tensor, q: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        return {}


class ExponentialMovingAverage(Update):
    """Moving averages of the latents that chose each code (van den Oord et al. 2017, appendix A.1).

    N_k <- decay N_k + (1 - decay) n_k, m_k <- decay m_k + (1 - decay) sum z, e_k = m_k / N_k with the counts
    smoothed: (N_k + epsilon) N / (N + K epsilon). On the sphere e_k = m_k / |m_k|, where the counts cancel.
    """

    def __init__(self, *, decay: float, epsilon: float) -> None:
        if not 0 <= decay < 1 or epsilon < 0:
            raise ValueError(f"decay must lie in [0, 1) and epsilon not be negative, got {decay} and {epsilon}")
        self.decay, self.epsilon = decay, epsilon

    def table(self, codebook_size: int, codebook_dim: int, spherical: bool) -> Table:
        """See Update."""
        return _AverageTable(codebook_size, codebook_dim, spherical, self.decay, self.epsilon)


class _GradientTable(Table):
    def __init__(self, size: int, dim: int, spherical: bool, decay: float) -> None:
        super().__init__()
        self.spherical, self.decay = spherical, decay
        self.weight = nn.Parameter(torch.zeros(size, dim))
        self.register_buffer("counts", torch.ones(size))

    @property
    def vectors(self) -> Tensor:  # type: ignore[override]
        # Of a copy: revived codes are written into the weight before the backward pass, which needs the old ones.
        return F.normalize(self.weight.clone(), dim=1) if self.spherical else self.weight

    def start(self, vectors: Tensor) -> None:
        with torch.no_grad():
            self.weight.copy_(vectors)

    def observe(self, rows: Tensor, codes: Tensor) -> None:  # noqa: ARG002
        hits = sum_over_group(torch.bincount(codes, minlength=len(self.counts))).to(self.counts.dtype)
        self.counts.mul_(self.decay).add_(hits, alpha=1 - self.decay)

    def replace(self, indices: Tensor, vectors: Tensor) -> None:
        with torch.no_grad():
            self.weight[indices] = vectors
        self.counts[indices] = self.counts.mean()

    def losses(self, rows: Tensor, q: Tensor) -> dict[str, Tensor]:
        return {"codebook": mean_square(q, rows.detach())}


class Gradient(Update):
    """The codebook loss |sg[z] - e|^2 (van den Oord et al. 2017, equation 3); decay is that of the usage counts."""

    losses = frozenset({"codebook"})

    def __init__(self, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.decay = decay

    def table(self, codebook_size: int, codebook_dim: int, spherical: bool) -> Table:
        """See Update."""
        return _GradientTable(codebook_size, codebook_dim, spherical, self.decay)


def mean_square(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Mean squared difference, with several processes a part of the group's; zero, with its gradient, without rows."""
    return part_of_group_mean(F.mse_loss(x, y) if x.numel() else x.sum(), x.numel())
