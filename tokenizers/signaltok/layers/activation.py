"""Activations, as the recipes that a network builds its own from: some have parameters of each channel."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Pointwise, SignalLayer
from signaltok.parts import Part

EPSILON = 1e-9
TILE = 2**17  # values that are taken through all passes at a time, so that they stay in a processor's cache


class Activation(Part, ABC):
    """A recipe.

    gain: by what convolutions beside it begin smaller than those of a linear network, so that a change of the signal
    comes through as large as it was: 1 / sqrt(mean square of its slope).
    """

    gain: float

    @abstractmethod
    def build(self, width: int) -> SignalLayer:
        """An activation of signals of so many channels."""


class Elu(Activation):
    """x above zero, exp(x) - 1 below (Clevert et al. 2015). Its slope is one at the soft signals that sounds are."""

    gain = 1.0

    def build(self, width: int) -> SignalLayer:  # noqa: ARG002
        """See Activation."""
        return EluLayer()


class Snake(Activation):
    """x + sin^2(alpha x) / alpha with an alpha a channel (Ziyin et al. 2020, equation 3).

    Its slope is 1 + sin(2 alpha x), of the mean square 3/2 wherever x goes round.
    """

    gain = (2 / 3) ** 0.5

    def build(self, width: int) -> SignalLayer:
        """See Activation."""
        return SnakeLayer(width=width)


class EluLayer(Pointwise):
    """F.elu; without gradients in tiles."""

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b c *l"]:  # noqa: ARG002
        """See SignalLayer."""
        if torch.is_grad_enabled():
            return F.elu(x)
        y = torch.empty_like(x)
        self.into(x, y)
        return y

    def into(self, x: Float[Tensor, "b c *l"], y: Float[Tensor, "b c *l"]) -> None:
        """See Pointwise; max(x, exp(min(x, 0)) - 1), to 6e-8: torch's own takes expm1, which is slow."""
        for piece, low in _tiles(x, y):
            torch.clamp(piece, max=0, out=low).exp_().sub_(1)
            torch.maximum(piece, low, out=low)


class SnakeLayer(Pointwise):
    """alpha: [width], ones at first; its inverse is guarded by 1e-9 as DAC's."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b c *l"]:  # noqa: ARG002
        """See SignalLayer."""
        if torch.is_grad_enabled():
            alpha = self._alpha(x)
            return x + (alpha * x).sin().square() / (alpha + EPSILON)
        y = torch.empty_like(x)
        self.into(x, y)
        return y

    def into(self, x: Float[Tensor, "b c *l"], y: Float[Tensor, "b c *l"]) -> None:
        """See Pointwise."""
        alpha = self._alpha(x)
        inverse = 1 / (alpha + EPSILON)
        for piece, wave in _tiles(x, y):
            torch.mul(piece, alpha, out=wave).sin_()
            torch.addcmul(piece, wave.mul_(wave), inverse, out=wave)

    def _alpha(self, x: Tensor) -> Float[Tensor, "1 c *_"]:
        return self.alpha.view(1, -1, *[1] * (x.ndim - 2))


def _tiles(
    x: Float[Tensor, "b c *l"], y: Float[Tensor, "b c *l"]
) -> Iterator[tuple[Float[Tensor, "b c *m"], Float[Tensor, "b c *m"]]]:
    """What comes in and goes out, along the first axis in pieces of about TILE values."""
    count = max(1, TILE * x.shape[2] // max(1, x.numel()))
    yield from zip(x.split(count, dim=2), y.split(count, dim=2), strict=True)


class Tanh(SignalLayer):
    """A signal bounded by -1 and 1."""

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b c *l"]:  # noqa: ARG002
        """See SignalLayer."""
        return x.tanh()
