"""Gumbel noise for categories, block by block, so that none draws all of it and all draw the same."""

import torch
from jaxtyping import Float
from torch import Tensor

ROWS_A_DRAW = 256  # rows of noise from one generator


def exponential_block(seed: int, codes: int, dtype: torch.dtype) -> Float[Tensor, "rows K"]:
    """ROWS_A_DRAW rows of draws from the unit exponential distribution, on the processor."""
    generator = torch.Generator().manual_seed(seed)
    return torch.empty(ROWS_A_DRAW, codes, dtype=dtype).exponential_(generator=generator)


def to_gumbel(drawn: Float[Tensor, "n K"]) -> Float[Tensor, "n K"]:
    """-log of exponential draws, in place: Gumbel noise."""
    return drawn.clamp_min_(torch.finfo(drawn.dtype).tiny).log_().neg_()
