"""Noise added in the decoder (SNAC, Siuzdak et al. 2024, section 3.2): x + eps * W x, one eps a position."""

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.layers.convolutions import Convolutions
from signaltok.layers.draws import Draws, rows_of_group
from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import SignalLayer


class Noise(SignalLayer):
    """eps is drawn from the unit normal distribution in training; else it is its mean, zero.

    SNAC draws in use too, so that it decodes the same codes to another signal each time; here decoding is exact.
    """

    def __init__(self, *, axes: int, width: int, convolutions: Convolutions) -> None:
        super().__init__()
        self.gain = convolutions.conv(axes, width, width, 1, bias=False)
        self.draws = Draws()

    def forward(self, x: Float[Tensor, "b c *l"], *, extent: Extent) -> Float[Tensor, "b c *l"]:
        """See SignalLayer."""
        if not self.training:
            return x
        rows, before = rows_of_group(x)
        noise = torch.randn(rows, 1, *x.shape[2:], generator=self.draws.next())
        return x + noise[before : before + len(x)].to(x) * self.gain(x, extent=extent)
