"""Charts of the unit sphere: how vectors are put on it, where angles are compared, and how they come back.

A direction has lost its length, and what is decoded from it lies on a sphere too: beside a reconstruction that costs
decibels (docs/log.md). The stereographic projection loses nothing: with the radius r,

    u = (2 r x, |x|^2 - r^2) / (|x|^2 + r^2),      x = r u_1..d / (1 - u_d+1),

and it keeps angles, so that the nearest on the sphere is nearly the nearest of the x that are short beside r:
|u - v|^2 = 4 r^2 |x - y|^2 / ((|x|^2 + r^2)(|y|^2 + r^2)).
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from signaltok.parts import Part

LEAST = 1e-3  # of 1 - u_d+1: a vector that has learned its way to the pole comes back from far, not from infinity


class Chart(Part, ABC):
    """Between vectors of `dim` numbers and the sphere in `dim + extra`.

    unit: whether what comes back has length one, as all that is on the sphere has.
    """

    extra: int
    unit: bool

    @abstractmethod
    def towards(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n e"]:
        """A vector of any length that points at where x is on the sphere."""

    @abstractmethod
    def lower(self, u: Float[Tensor, "*n e"]) -> Float[Tensor, "*n d"]:
        """From the sphere back."""

    def lift(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n e"]:
        """Where x is on the sphere."""
        return F.normalize(self.towards(x), dim=-1)


class Direction(Chart):
    """x without its length, which nothing brings back."""

    extra, unit = 0, True

    def towards(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n e"]:
        """See Chart."""
        return x

    def lower(self, u: Float[Tensor, "*n e"]) -> Float[Tensor, "*n d"]:
        """See Chart."""
        return u


class Stereographic(Chart):
    """All of x: zero is one pole, what is as long as the radius is on the equator, the other pole is infinitely far."""

    extra, unit = 1, False

    def __init__(self, *, radius: float) -> None:
        if not 0 < radius < math.inf:
            raise ValueError(f"radius must be above 0 and finite, got {radius}")
        self.radius = radius

    def towards(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n e"]:
        """See Chart."""
        x = x / self.radius
        square = x.square().sum(-1, keepdim=True)
        return torch.cat([2 * x, square - 1], -1) / (square + 1)

    def lower(self, u: Float[Tensor, "*n e"]) -> Float[Tensor, "*n d"]:
        """See Chart."""
        return self.radius * u[..., :-1] / (1 - u[..., -1:]).clamp_min(LEAST)
