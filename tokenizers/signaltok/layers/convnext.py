"""ConvNeXt blocks over any axes (Liu et al. 2022; over frames: Vocos, Siuzdak 2023, section 3.2)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.convolutions import Convolutions
from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Place, SignalLayer


class ChannelNorm(SignalLayer):
    """Layer norm over the channels of each position."""

    def __init__(self, *, width: int, epsilon: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=epsilon)

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b c *l"]:  # noqa: ARG002
        """See SignalLayer."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class ConvNextBlock(SignalLayer):
    """x + scale * outer(gelu(inner(norm(depthwise(x)))))."""

    def __init__(
        self, *, axes: int, width: int, inner: int, kernel: int, layer_scale: float, convolutions: Convolutions
    ) -> None:
        super().__init__()
        self.depthwise = convolutions.conv(axes, width, width, kernel, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.layer_scale = nn.Parameter(torch.full((width,), layer_scale))
        self.causal, self.least = self.depthwise.causal, self.depthwise.least

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b c *l"]:
        """See SignalLayer."""
        y = self.norm(self.depthwise(x, extent=extent).movedim(1, -1))
        return x + (self.layer_scale * self.outer(F.gelu(self.inner(y)))).movedim(-1, 1)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return self.depthwise.looks(first, last)
