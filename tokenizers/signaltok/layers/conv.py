"""Convolutions over any number of axes that know where a signal ends.

A batch of signals of different sizes is padded with zeros. Those zeros are not the zero padding that a shorter
signal alone would meet inside the network: after the first bias they are no zeros any more. So what lies beyond
the valid extent is set to zero before every layer that looks sideways.
"""

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def check_axes(axes: int) -> None:
    """Raise ValueError for a number of axes that there is no convolution for."""
    if axes not in CONVOLUTIONS:
        raise ValueError(f"axes must be 1 (audio), 2 (images) or 3 (video), got {axes}")


def conv(axes: int, inputs: int, outputs: int, kernel: int) -> nn.Module:
    """A convolution of stride 1 with an odd kernel that keeps the size."""
    assert kernel % 2 == 1, f"an even kernel of {kernel} cannot keep the size"
    return CONVOLUTIONS[axes](inputs, outputs, kernel, padding=kernel // 2)


def silence(x: Float[Tensor, "b c *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "b c *l"]:
    """x with zeros beyond the valid extent, whatever stood there; x itself where all is valid."""
    return x if mask is None else x.masked_fill(~mask, 0.0)


class ResidualBlock(nn.Module):
    """x + conv1(silu(conv3(silu(x)))), without a norm."""

    def __init__(self, *, axes: int, width: int) -> None:
        super().__init__()
        self.inner = conv(axes, width, width, 3)
        self.outer = conv(axes, width, width, 1)

    def forward(self, x: Float[Tensor, "b c *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "b c *l"]:
        """Same shape; the block looks one position to either side."""
        return x + self.outer(F.silu(self.inner(silence(F.silu(x), mask))))
