"""Quantized: what a quantizer makes of a latent."""

from dataclasses import dataclass, field

from jaxtyping import Bool, Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Quantized:
    """z_q with its codes.

    codes: int64 [b, *grid] a level, never negative. losses: raw and unweighted scalars by name (training only).
    active: which levels of which item were in use (quantizer dropout), None where all were. semantic: of a quantizer
    with semantic levels beside others, what those alone give of z_q (training only).
    """

    z_q: Float[Tensor, "b d *l"]
    codes: tuple[Int64[Tensor, "b ..."], ...]
    losses: dict[str, Float[Tensor, ""]] = field(default_factory=dict)
    active: Bool[Tensor, "b q"] | None = None
    semantic: Float[Tensor, "b d *l"] | None = None
