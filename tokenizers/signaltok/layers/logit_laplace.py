"""The logit-Laplace distribution of values in (0, 1) (Ramesh et al. 2021, appendix A.3) and the way of signals there.

A value x of the signal is mapped to (1 - 2 eps) u + eps, u its place in the value range, so that its logit is finite.
"""

import torch
from jaxtyping import Float
from torch import Tensor

MARGIN = 0.1  # the paper's eps


def to_interval(signal: Float[Tensor, "b c *s"], low: float, high: float) -> Float[Tensor, "b c *s"]:
    """low..high to MARGIN..1 - MARGIN."""
    return (signal - low) / (high - low) * (1 - 2 * MARGIN) + MARGIN


def from_interval(x: Float[Tensor, "b c *s"], low: float, high: float) -> Float[Tensor, "b c *s"]:
    """The inverse of to_interval."""
    return (x - MARGIN) / (1 - 2 * MARGIN) * (high - low) + low


def negative_log_likelihood(
    x: Float[Tensor, "b c *s"], location: Float[Tensor, "b c *s"], log_scale: Float[Tensor, "b c *s"]
) -> Float[Tensor, "b c *s"]:
    """ln(2 b x (1 - x)) + |logit x - mu| / b of each value, with mu the location and b the scale; x within (0, 1)."""
    normaliser = log_scale + torch.log(2 * x * (1 - x))
    return normaliser + (torch.logit(x) - location).abs() * torch.exp(-log_scale)
