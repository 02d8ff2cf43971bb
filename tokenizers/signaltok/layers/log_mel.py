"""Log-mel spectra as a layer: frames hop apart, frame i centred on samples i * hop to (i + 1) * hop.

So n samples are ceil(n / hop) frames, and a signal is continued by zeros on both sides, as all spectra here are.
"""

import math
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Place, SignalLayer
from signaltok.layers.spectrogram import mel_filters


class LogMel(SignalLayer):
    """x [b, channels, n] -> [b, channels * bins, ceil(n / hop)]: log(floor + mean power under mel triangles).

    size: samples under the Hann window; transform: of the FFT, at least size. The power is that of a sample, and
    triangles have the sum one, so that a floor means the same at every size. Raises ValueError where a triangle is so
    narrow that no frequency lies under it.
    """

    window: Tensor
    filters: Tensor
    causal = False

    def __init__(self, *, sample_rate: int, size: int, transform: int, hop: int, bins: int, floor: float) -> None:
        super().__init__()
        if (size - hop) % 2 or size < hop or transform < size or transform % 2:
            raise ValueError(
                f"size - hop must be even and not negative, and transform even and at least size; got size {size}, hop "
                f"{hop} and transform {transform}"
            )
        if floor <= 0:
            raise ValueError(f"floor is {floor}; silence has a logarithm only above zero")
        with torch.device("cpu"):  # filters are remembered by their settings, so not as tensors without memory
            filters = mel_filters(sample_rate, transform, bins)
            window = torch.hann_window(size, dtype=torch.float64)
        sums = filters.sum(1, keepdim=True)
        if not bool((sums > 0).all()):
            raise ValueError(
                f"{int((sums == 0).sum())} of {bins} mel bins have no frequency of a transform of {transform}; take "
                "fewer bins or a longer transform"
            )
        self.size, self.transform, self.hop, self.floor = size, transform, hop, floor
        self.reach, self.scale = (size - hop) // 2, Fraction(1, hop)
        self.register_buffer("window", (window / math.sqrt(float(window.square().sum()))).float(), persistent=False)
        self.register_buffer("filters", (filters / sums).float(), persistent=False)

    def forward(self, x: Float[Tensor, "b c n"], *, extent: Extent) -> Float[Tensor, "b m l"]:
        """See SignalLayer."""
        x = F.pad(extent.silenced(x), (self.reach, self.reach + -x.shape[-1] % self.hop))
        with torch.autocast(x.device.type, enabled=False):
            x = x.float() if x.dtype.itemsize < 4 else x
            frames = x.unfold(-1, self.size, self.hop) * self.window.to(x.dtype)
            spectrum = torch.fft.rfft(frames, n=self.transform)
            power = spectrum.real.square() + spectrum.imag.square()  # [b, c, frames, frequencies]
            bins = (power @ self.filters.to(x.dtype).T + self.floor).log()
        return bins.transpose(2, 3).flatten(1, 2)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """All but the first sample of a frame, where the window is zero."""
        return first * self.hop - self.reach + 1, last * self.hop - self.reach + self.size - 1
