"""Rotary positions (Su et al. 2021, section 3.2.2), on the two halves of a head's channels."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

BASE = 10_000.0


def rotated(x: Float[Tensor, "... n d"], places: Int64[Tensor, " n"]) -> Float[Tensor, "... n d"]:
    """Channels j and j + d/2 turned by the angle place / 10000^(2j/d)."""
    half = x.shape[-1] // 2
    rates = BASE ** (torch.arange(half, device=x.device, dtype=torch.float32) / -half)
    angles = places.to(torch.float32)[:, None] * rates
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    one, other = x[..., :half], x[..., half:]
    return torch.cat([one * cosine - other * sine, other * cosine + one * sine], dim=-1)
