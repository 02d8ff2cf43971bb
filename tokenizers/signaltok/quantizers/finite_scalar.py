"""Finite scalar quantization: every channel of a small latent is bounded and rounded; the book is their product.

Mentzer, Minnen, Agustsson, Tschannen: "Finite Scalar Quantization: VQ-VAE Made Simple" (2023), section 3.1 and
appendix A.1. With L values on a channel, h = (L - 1)(1 + eps) / 2, and o = 1/2 for even L, else 0:

    f(z) = h tanh(z + atanh(o / h)) - o,      z_q = round(f(z)) / floor(L / 2),

and the code is the mixed-radix number of the digits round(f(z)) + floor(L / 2), first channel fastest.
"""

import math
from itertools import accumulate
from operator import mul

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.estimator import Estimator
from signaltok.types.quantized import Quantized

EPSILON = 1e-3  # of the paper's bound: keeps the outermost values reachable
LARGEST_TABLE = 65536  # codes for which the vectors are listed


class FiniteScalarQuantizer(Quantizer):
    """One level of prod(levels) codes.

    levels: number of values of each inner channel, the paper's name. Where there are as many as latent channels
    the latent is rounded as it is; else a linear map leads to the inner channels and another one back. estimator: how
    the gradient passes; the paper's is straight through.
    """

    sizes: Tensor
    bases: Tensor
    scale: Tensor

    def __init__(self, *, latent_dim: int, levels: list[int], estimator: Estimator) -> None:
        super().__init__()
        if not levels or min(levels) < 3:
            raise ValueError(
                f"levels must be at least one number, none below 3, got {list(levels)}: the bound of the paper "
                "is one-sided for two values; take 3 or more"
            )
        if math.prod(levels) > 2**32:
            raise ValueError(
                f"levels {list(levels)} make {math.prod(levels)} codes, but a code has 32 bits; take fewer or smaller"
            )
        self.latent_dim, self.estimator = latent_dim, estimator
        self.levels = tuple(levels)
        projects = len(levels) != latent_dim
        self.project_in = nn.Linear(latent_dim, len(levels)) if projects else nn.Identity()
        self.project_out = nn.Linear(len(levels), latent_dim) if projects else nn.Identity()
        sizes = torch.tensor(self.levels)
        bases = list(accumulate((1, *self.levels[:-1]), mul))
        self.register_buffer("sizes", sizes, persistent=False)
        self.register_buffer("bases", torch.tensor(bases), persistent=False)
        # Beside _half, because a module in float64 must give its vectors in float64.
        self.register_buffer("scale", (sizes // 2).float(), persistent=False)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """One level: the product of the values of all channels."""
        return (math.prod(self.levels),)

    @property
    def factorised(self) -> bool:
        """See Quantizer; large books list no vectors that would tell."""
        return isinstance(self.project_in, nn.Linear)

    def inner(self, z: Float[Tensor, "b d *l"]) -> Float[Tensor, "b *l inner"]:
        """The bounded latent, channels last, in the units of z_q: what is rounded."""
        return self._bound(self.project_in(z.movedim(1, -1))) / self._half

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """The number of the nearest value on every channel, in mixed radix."""
        return (self._codes(self._digits(self._bound(self.project_in(z.movedim(1, -1))))),)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """The vectors of the codes."""
        (level,) = codes
        return self.project_out(self._values(level)).movedim(-1, 1)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Tensor | None) -> Quantized:
        """Round, with the gradient of the estimator. There are no losses and no statistics, so no use of the mask."""
        del mask
        bounded = self._bound(self.project_in(z.movedim(1, -1)))
        codes = self._codes(self._digits(bounded.detach()))
        inner_q = self.estimator(bounded / self._half, self._values(codes), self.progress)
        return Quantized(z_q=self.project_out(inner_q).movedim(-1, 1), codes=(codes,))

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """All vectors of a book of at most LARGEST_TABLE codes; larger books have no table."""
        (size,) = self.codebook_sizes
        if size > LARGEST_TABLE:
            return ()
        searched = self._values(torch.arange(size, device=self.sizes.device))
        return (CodeVectors(searched=searched, decoded=self.project_out(searched).detach()),)

    @property
    def _half(self) -> Tensor:
        return self.sizes // 2

    def _bound(self, z: Tensor) -> Tensor:
        half_width = (self.sizes - 1) * (1 + EPSILON) / 2
        offset = torch.where(self.sizes % 2 == 0, 0.5, 0.0)
        return torch.tanh(z + torch.atanh(offset / half_width)) * half_width - offset

    def _digits(self, bounded: Tensor) -> Tensor:
        return bounded.round().long() + self._half

    def _codes(self, digits: Tensor) -> Tensor:
        return (digits * self.bases).sum(-1)

    def _values(self, codes: Tensor) -> Tensor:
        digits = codes[..., None] // self.bases % self.sizes
        return (digits - self._half) / self.scale
