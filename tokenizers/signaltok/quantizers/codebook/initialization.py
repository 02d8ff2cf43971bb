"""Where the code vectors start, the same on every process."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.parts import Part
from signaltok.processes import sum_over_group
from signaltok.quantizers.codebook.search import nearest
from signaltok.quantizers.distributed import rows_of_group, take_rows


class Initialization(Part, ABC):
    """Gives the first code vectors from the rows of the first training batch at the share `start` of the run."""

    start: float = 0.0

    @abstractmethod
    def __call__(
        self, rows: Float[Tensor, "n d"], codebook_size: int, generator: torch.Generator
    ) -> Float[Tensor, "K d"]:
        """rows: the valid inner latents of this process; generator: in the same state on every process."""


def sample(rows: Float[Tensor, "n d"], count: int, generator: torch.Generator) -> Float[Tensor, "count d"]:
    """Rows of the concatenated batch, each once where there are enough, else each about equally often."""
    total, offset = rows_of_group(rows)
    assert total, "the caller waits for a batch with valid positions"
    rounds = -(-count // total)
    order = torch.cat([torch.randperm(total, generator=generator) for _ in range(rounds)])[:count]
    return take_rows(rows, order.to(rows.device), offset)


class DataSample(Initialization):
    """Random latents of the first batch."""

    def __call__(
        self, rows: Float[Tensor, "n d"], codebook_size: int, generator: torch.Generator
    ) -> Float[Tensor, "K d"]:
        """See Initialization."""
        return sample(rows, codebook_size, generator)


class KMeans(Initialization):
    """Lloyd's iterations from a random sample, over the concatenated batch; an empty cluster keeps its centre."""

    def __init__(self, *, iterations: int) -> None:
        if iterations < 1:
            raise ValueError(f"iterations must be at least 1, got {iterations}")
        self.iterations = iterations

    def __call__(
        self, rows: Float[Tensor, "n d"], codebook_size: int, generator: torch.Generator
    ) -> Float[Tensor, "K d"]:
        """See Initialization."""
        centres = sample(rows, codebook_size, generator)
        for _ in range(self.iterations):
            codes = nearest(rows, centres)
            sums = sum_over_group(torch.zeros_like(centres).index_add_(0, codes, rows))
            counts = sum_over_group(torch.bincount(codes, minlength=codebook_size)).to(rows.dtype)
            centres = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp_min(1), centres)
        return centres


class LateInitialization(Initialization):
    """What `then` gives, but from a batch at the share `start` of the run: of latents that are learned until then."""

    def __init__(self, *, start: float, then: Initialization) -> None:
        if not 0 < start < 1:
            raise ValueError(f"start is a share of the run and must lie in (0, 1), got {start}; leave it out")
        self.start, self.then = start, then

    def __call__(
        self, rows: Float[Tensor, "n d"], codebook_size: int, generator: torch.Generator
    ) -> Float[Tensor, "K d"]:
        """See Initialization."""
        return self.then(rows, codebook_size, generator)


class Jittered(Initialization):
    """What `then` gives, each vector moved by normal numbers of a standard deviation, so that copies part.

    A batch of fewer rows than there are codes gives copies, of which only the first would ever be chosen.
    """

    def __init__(self, *, deviation: float, then: Initialization) -> None:
        if not deviation > 0:
            raise ValueError(f"deviation must be above 0, got {deviation}; leave Jittered out")
        self.deviation, self.then = deviation, then
        self.start = then.start

    def __call__(
        self, rows: Float[Tensor, "n d"], codebook_size: int, generator: torch.Generator
    ) -> Float[Tensor, "K d"]:
        """See Initialization."""
        vectors = self.then(rows, codebook_size, generator)
        return vectors + self.deviation * torch.randn(vectors.shape, generator=generator).to(vectors)


class Uniform(Initialization):
    """Uniform in [-1/K, 1/K] (the VQ-VAE's own), whatever the data."""

    def __call__(
        self, rows: Float[Tensor, "n d"], codebook_size: int, generator: torch.Generator
    ) -> Float[Tensor, "K d"]:
        """See Initialization."""
        draws = torch.rand(codebook_size, rows.shape[1], generator=generator) * 2 - 1
        return (draws / codebook_size).to(rows)


class Gaussian(Initialization):
    """Normal with variance 1 / d, whatever the data: vectors of length about one (SimVQ's frozen codebook)."""

    def __call__(
        self, rows: Float[Tensor, "n d"], codebook_size: int, generator: torch.Generator
    ) -> Float[Tensor, "K d"]:
        """See Initialization."""
        dim = rows.shape[1]
        return (torch.randn(codebook_size, dim, generator=generator) * dim**-0.5).to(rows)
