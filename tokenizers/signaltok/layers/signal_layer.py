"""SignalLayer: a layer over a signal that knows its rate, how far it looks, and whether it can go on from a piece.

How far a whole network looks, whether it is causal and how it goes on from one piece of a signal to the next follow
from its layers; nothing of it is written by hand.
"""

import math
from abc import ABC, abstractmethod
from fractions import Fraction
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from signaltok.layers.extent import Extent
from signaltok.parts import Part

Place = int | float


class SignalLayer(Part, nn.Module, ABC):
    """x [b, c, *l] -> y [b, d, *l * scale], rounded up.

    scale: positions that one becomes. causal: nothing that comes later has an effect, and forward goes on from the
    pieces before where extent.memory is given. least: positions that the first of several pieces must have.
    """

    scale: Fraction = Fraction(1)
    causal: bool = True
    least: int = 1

    @abstractmethod
    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b d *m"]:
        """y; what lies beyond the valid extent of x has no effect on what lies within that of y."""

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """The positions of x that the positions first to last of y depend on; infinite where there is no end to it."""
        return first, last


class Pointwise(SignalLayer):
    """A layer that makes each value from itself alone, and zero of zero."""

    @abstractmethod
    def into(self, x: Float[Tensor, "b c *l"], y: Float[Tensor, "b c *l"]) -> None:
        """forward that writes into y, without gradients."""


class Activated(SignalLayer):
    """A layer that copies what it is given, and can have an activation taken of it on the way."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "b c *l"], *, extent: Extent, activation: Pointwise | None = None
    ) -> Float[Tensor, "b d *m"]:
        """Of activation(x) where there is one; without gradients by Pointwise.into."""


class Chain(SignalLayer):
    """Layers one after another, each registered under its name."""

    def __init__(self, *, layers: dict[str, SignalLayer]) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.causal = all(layer.causal for layer in self.ordered)
        rate, least = Fraction(1), 1
        for layer in self.ordered:
            least = max(least, math.ceil(layer.least / rate))
            rate *= layer.scale
        self.scale, self.least = rate, least

    @property
    def ordered(self) -> list[SignalLayer]:
        """The layers, the first one first."""
        return cast(list[SignalLayer], list(self.children()))

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b d *m"]:
        """See SignalLayer."""
        activation = None
        for layer in self.ordered:
            if activation is None and isinstance(layer, Pointwise):
                activation = layer
                continue
            if isinstance(layer, Activated):
                x = layer(x, extent=extent, activation=activation)
            else:
                x = layer(x if activation is None else activation(x, extent=extent), extent=extent)
            activation, extent = None, extent.scaled(layer.scale)
        return x if activation is None else activation(x, extent=extent)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        for layer in reversed(self.ordered):
            first, last = layer.looks(first, last)
        return first, last


class Residual(SignalLayer):
    """shortcut(x) + branch(x); without a shortcut x + branch(x)."""

    def __init__(self, *, branch: SignalLayer, shortcut: SignalLayer | None) -> None:
        super().__init__()
        assert branch.scale == 1, "the two ways must be of one rate"
        self.branch = branch
        self.shortcut = shortcut
        ways = [branch] if shortcut is None else [branch, shortcut]
        self.causal = all(way.causal for way in ways)
        self.least = max(way.least for way in ways)

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b d *l"]:
        """See SignalLayer."""
        other = x if self.shortcut is None else self.shortcut(x, extent=extent)
        y = self.branch(x, extent=extent)
        # What the branch's last layer has made anew is nobody else's.
        return other + y if torch.is_grad_enabled() or y is x else y.add_(other)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        ways = [(first, last), self.branch.looks(first, last)]
        if self.shortcut is not None:
            ways.append(self.shortcut.looks(first, last))
        return min(way[0] for way in ways), max(way[1] for way in ways)


def context(layer: SignalLayer, first: int, last: int) -> int | None:
    """How far the positions first to last of y look beyond the positions of x that they stand for, on either side.

    None where there is no end to it.
    """
    start, stop = layer.looks(first, last)
    if math.isinf(start) or math.isinf(stop):
        return None
    own_start, own_stop = math.floor(first / layer.scale), math.ceil((last + 1) / layer.scale) - 1
    return int(max(0, own_start - start, stop - own_stop))
