"""The sphere on which embeddings of two modalities meet: of the radius at which a channel has a mean square of one."""

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-12  # of a vector that is all zeros, so that it stays zero with a finite slope


def on_sphere(x: Float[Tensor, "b d *l"]) -> Float[Tensor, "b d *l"]:
    """x with channels of length sqrt(d) at every position."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + EPSILON)
