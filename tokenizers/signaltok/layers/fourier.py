"""The short-time Fourier transform as a layer, and the head that goes back (Vocos, Siuzdak 2023, section 3.3).

Frames are hop apart and size long; frame i is centred on samples i * hop to (i + 1) * hop, so n samples are
ceil(n / hop) frames, and back exactly so many hops. What the frames lack at the ends of a signal is made good by
dividing by the windows that are there, which at the places kept are never all zero.
"""

import math
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.extent import Extent
from signaltok.layers.signal_layer import Place, SignalLayer


def _check(size: int, hop: int) -> int:
    """Samples that a frame reaches over its own hop on either side."""
    if size % 2 or (size - hop) % 2 or size < 2 * hop:
        raise ValueError(f"size must be even, at least 2 x hop, and size - hop even; got size {size} and hop {hop}")
    return (size - hop) // 2


class Stft(SignalLayer):
    """x [b, channels, n] -> [b, channels * (size + 2), ceil(n / hop)]: real and imaginary parts, compressed.

    A value becomes one of the same phase and of the power `compression` of its magnitude (plus a little below `floor`),
    so that loud and soft parts are of one order, times the gain. compression 1 leaves it as it is.
    """

    window: Tensor
    causal = False

    def __init__(self, *, size: int, hop: int, compression: float, floor: float, gain: float) -> None:
        super().__init__()
        self.size, self.hop, self.reach = size, hop, _check(size, hop)
        self.compression, self.floor, self.gain = compression, floor, gain
        self.scale = Fraction(1, hop)
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, x: Float[Tensor, "b c n"], *, extent: Extent) -> Float[Tensor, "b f l"]:
        """See SignalLayer."""
        x = F.pad(extent.silenced(x), (self.reach, self.reach + -x.shape[-1] % self.hop))
        frames = x.unfold(-1, self.size, self.hop) * (self.window * (2.0 / self.size) ** 0.5)
        with torch.autocast(x.device.type, enabled=False):
            values = torch.view_as_real(torch.fft.rfft(frames.float() if frames.dtype != torch.float64 else frames))
        values = values * (values.square().sum(-1, keepdim=True) + self.floor**2) ** ((self.compression - 1) / 2)
        return (self.gain * values).flatten(-2).transpose(-1, -2).flatten(1, 2)

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """All but the first sample of a frame, where the window is zero."""
        return first * self.hop - self.reach + 1, last * self.hop - self.reach + self.size - 1


class InverseStft(SignalLayer):
    """x [b, width, l] -> [b, channels, l * hop]: log magnitudes and phases by a linear layer, then overlap and add."""

    window: Tensor
    causal = False
    largest = 100.0  # magnitude, so that a wild log magnitude is no infinity

    def __init__(self, *, width: int, channels: int, size: int, hop: int) -> None:
        super().__init__()
        self.size, self.hop, self.reach = size, hop, _check(size, hop)
        self.channels, self.scale = channels, Fraction(hop)
        self.project = nn.Linear(width, channels * (size + 2))
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, x: Float[Tensor, "b d l"], *, extent: Extent) -> Float[Tensor, "b c n"]:
        """See SignalLayer."""
        b, _, cells = x.shape
        values = self.project(x.transpose(1, 2))
        with torch.autocast(x.device.type, enabled=False):
            values = values.float() if values.dtype != torch.float64 else values
            size, phase = values.view(b, cells, self.channels, 2, -1).unbind(-2)
            spectrum = torch.polar(size.exp().clamp(max=self.largest), phase)
            frames = torch.fft.irfft(spectrum, n=self.size) * self.window  # [b, cells, channels, size]
        valid = extent.mask((cells,))
        squares = self.window.square().expand(b, cells, 1, self.size)
        if valid is not None:
            frames = frames * valid[:, 0, :, None, None]
            squares = squares * valid[:, 0, :, None, None]
        envelope = self._added(squares)
        return self._added(frames) / envelope.clamp(min=torch.finfo(frames.dtype).tiny)

    def _added(self, frames: Float[Tensor, "b l c size"]) -> Float[Tensor, "b c n"]:
        """Frames hop apart added up, without what reaches over the ends."""
        b, cells, channels, size = frames.shape
        total = (cells - 1) * self.hop + size
        columns = frames.permute(0, 2, 3, 1).reshape(b * channels, size, cells)
        added = F.fold(columns, (1, total), (1, size), stride=(1, self.hop)).view(b, channels, total)
        return added[..., self.reach : self.reach + cells * self.hop]

    def looks(self, first: Place, last: Place) -> tuple[Place, Place]:
        """Frames but for their first sample, where the window is zero."""
        start = (first + self.reach - self.size + 1) / self.hop
        stop = (last + self.reach - 1) / self.hop
        return (math.ceil(start) if math.isfinite(start) else start), (
            math.floor(stop) if math.isfinite(stop) else stop
        )
