"""The Conformer (Gulati et al. 2020, section 2): half a feed-forward layer, attention, convolution, the other half.

Before its blocks two convolutions over frequency and time make one frame of four. Dropout is left out.
"""

import math
from fractions import Fraction

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.batch_norm import BatchNorm
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.extent import Extent
from signaltok.layers.relative_attention import RelativeAttention
from signaltok.layers.signal_layer import Place, SignalLayer

RULE = Convolutions(padding="same", mode="constant", norm=None)


class Subsampling(SignalLayer):
    """x [b, bins, l] -> [b, width, ceil(l / 4)]: two convolutions of kernel 3 and stride 2 over (frequency, time)."""

    def __init__(self, *, bins: int, width: int) -> None:
        super().__init__()
        self.first = RULE.conv(2, 1, width, 3, stride=2)
        self.second = RULE.conv(2, width, width, 3, stride=2)
        self.project = nn.Linear(width * -(-bins // 4), width)
        self.scale, self.causal = Fraction(1, 4), False

    def forward(self, x: Float[Tensor, "b m l"], *, extent: Extent) -> Float[Tensor, "b d n"]:
        """See SignalLayer."""
        y = extent.silenced(x)[:, None]
        for layer in (self.first, self.second):
            y = F.relu(layer(y, extent=Extent(None, None)))
            extent = extent.scaled(layer.scale)
            y = y.flatten(1, 2)  # as [b, channels * bins, frames], to be silenced
            y = extent.silenced(y).unflatten(1, (layer.weight.shape[0], -1))
        return self.project(y.flatten(1, 2).transpose(1, 2)).transpose(1, 2)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return self.first.looks(*self.second.looks(first, last))


class ConformerBlock(SignalLayer):
    """x + ff/2, + attention, + convolution, + ff/2, each of a layer norm of x; then a layer norm."""

    def __init__(self, *, width: int, heads: int, kernel: int, momentum: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(5))
        self.feeds = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)) for _ in range(2)
        )
        self.attention = RelativeAttention(width=width, heads=heads)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = RULE.conv(1, width, width, kernel, groups=width)
        self.norm = BatchNorm(width=width, momentum=momentum, epsilon=1e-5, affine=True)
        self.out = nn.Linear(width, width)
        self.causal = False

    def forward(self, x: Float[Tensor, "b d l"], *, extent: Extent) -> Float[Tensor, "b d l"]:
        """See SignalLayer."""
        x = x.transpose(1, 2)
        x = x + 0.5 * self.feeds[0](self.norms[0](x))
        x = x + self.attention(self.norms[1](x), extent.mask((x.shape[1],)))
        y = F.glu(self.gate(self.norms[2](x)), dim=2).transpose(1, 2)
        y = F.silu(self.norm(self.depthwise(y, extent=extent), extent=extent)).transpose(1, 2)
        x = x + self.out(y)
        x = x + 0.5 * self.feeds[1](self.norms[3](x))
        return self.norms[4](x).transpose(1, 2)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:  # noqa: ARG002
        """Everywhere."""
        return -math.inf, math.inf


class Conformer(SignalLayer):
    """x [b, bins, l] -> [b, width, ceil(l / 4)]; depth blocks. momentum: of the batch norms."""

    def __init__(self, *, bins: int, width: int, depth: int, heads: int, kernel: int, momentum: float) -> None:
        super().__init__()
        self.subsampling = Subsampling(bins=bins, width=width)
        self.blocks = nn.ModuleList(
            ConformerBlock(width=width, heads=heads, kernel=kernel, momentum=momentum) for _ in range(depth)
        )
        self.scale, self.causal = Fraction(1, 4), False

    def forward(self, x: Float[Tensor, "b m l"], *, extent: Extent) -> Float[Tensor, "b d n"]:
        """See SignalLayer."""
        x, extent = self.subsampling(x, extent=extent), extent.scaled(self.scale)
        for block in self.blocks:
            x = block(x, extent=extent)
        return x

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """See SignalLayer."""
        return (-math.inf, math.inf) if self.blocks else self.subsampling.looks(first, last)
