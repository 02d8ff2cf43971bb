"""SpecAugment (Park et al. 2019, section 2): bands of frequency and stretches of time are taken out, in training alone.

What is taken out is set to zero, which is the mean of features that were normalised before. Time warping is left out,
as the paper found that it helps least.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from signaltok.layers.draws import Draws, rows_of_group
from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import SignalLayer


class SpecAugment(SignalLayer):
    """x [b, bins, frames] with bands and stretches of zeros.

    bands: how many, each of 0 to band_bins bins. stretches: how many, each of 0 to stretch_share of the item's own
    frames. Every item has its own, drawn for the whole group's batch.
    """

    def __init__(self, *, bands: int, band_bins: int, stretches: int, stretch_share: float) -> None:
        super().__init__()
        if min(bands, band_bins, stretches) < 0 or not 0 <= stretch_share <= 1:
            raise ValueError(
                f"bands {bands}, band_bins {band_bins} and stretches {stretches} must not be negative, and "
                f"stretch_share {stretch_share} is a share"
            )
        self.bands, self.band_bins = bands, band_bins
        self.stretches, self.stretch_share = stretches, stretch_share
        self.draws = Draws()

    def forward(self, x: Float[Tensor, "b m l"], *, extent: Extent) -> Float[Tensor, "b m l"]:
        """See SignalLayer."""
        if not self.training:
            return x
        items, first = rows_of_group(x)
        drawn = torch.rand(items, self.bands + self.stretches, 2, generator=self.draws.next(), dtype=torch.float64)
        drawn = drawn[first : first + len(x)].to(x.device)
        bins, frames = x.shape[1:]
        lengths = x.new_full((len(x), 1), frames) if extent.lengths is None else extent.lengths
        of_bands, of_time = drawn.split([self.bands, self.stretches], dim=1)
        band = _covered(of_bands, torch.full_like(lengths, bins).double(), float(self.band_bins), bins)
        stretch = _covered(of_time, lengths.double(), lengths.double() * self.stretch_share, frames)
        return x.masked_fill(band[:, :, None] | stretch[:, None, :], 0.0)


def _covered(
    drawn: Float[Tensor, "b n 2"], extent: Float[Tensor, "b 1"], most: float | Tensor, size: int
) -> Bool[Tensor, "b s"]:
    """Which of `size` places intervals cover that are at most so long and lie within each item's extent."""
    width = (drawn[:, :, 0] * (most + 1)).floor().clamp(max=extent)
    start = (drawn[:, :, 1] * (extent - width + 1)).floor()
    places = torch.arange(size, device=drawn.device)
    return ((places >= start[:, :, None]) & (places < (start + width)[:, :, None])).any(1)
