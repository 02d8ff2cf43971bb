"""How well a video keeps what changes from frame to frame.

PSNR and SSIM look at each frame by itself: a reconstruction that flickers about the original, or that stands still
where the original moves, may have the same as one that does not. This looks at the differences of frames alone.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.metrics.distortion import CAP_DECIBEL, Metric, exact, pairs


class MotionPeakSignalToNoiseRatio(Metric):
    """motion_psnr: the PSNR of the changes from one frame to the next, in dB, at most 100.

    10 log10(R^2 / mean ((x[t + 1] - x[t]) - (y[t + 1] - y[t]))^2), R = high - low: a constant error does not count, one
    that comes and goes does. A single frame has none.
    """

    def measure(
        self,
        signal: Float[Tensor, "b c t h w"],
        reconstruction: Float[Tensor, "b c t h w"],
        value_range: tuple[float, float],
        lengths: Int64[Tensor, "b 3"] | None,
    ) -> Float[Tensor, " b"]:
        """A value an item; NaN for a single frame."""
        low, high = value_range
        found = [(exact(x) - exact(y)).diff(dim=1) for x, y in pairs(signal, reconstruction, lengths)]
        mean_square = torch.stack([change.square().mean() for change in found])
        return (10 * torch.log10((high - low) ** 2 / mean_square)).clamp(max=CAP_DECIBEL)

    def words(self) -> str:
        """See Metric."""
        return "of the differences of neighbouring frames; single frames left out"
