"""Magnitude and mel spectrograms of padded batches, in at least float32, out of autocast's reach.

A signal is continued by zeros on both ends, so that the frames of an item of a padded batch (zeros beyond its length)
are exactly those of the item alone: 1 + length // hop of them.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from signaltok.exactness import full_precision

_BREAK, _LINEAR = 1000.0, 200.0 / 3  # Slaney's scale: linear below 1 kHz, with 200/3 Hz a mel
_LOG_STEP = math.log(6.4) / 27


def magnitudes(signal: Float[Tensor, "b c n"], window: int, hop: int) -> Float[Tensor, "b c f t"]:
    """|STFT| under a periodic Hann window, f = window // 2 + 1, t = 1 + n // hop."""
    with torch.autocast(signal.device.type, enabled=False):
        signal = full_precision(signal)
        batch, channels, length = signal.shape
        shape = torch.hann_window(window, dtype=signal.dtype, device=signal.device)
        # torch.stft to the bit; its way back looks up every sample of every frame.
        ends = F.pad(signal.reshape(batch * channels, length), (window // 2, window // 2))
        spectrum = torch.fft.rfft(ends.unfold(1, window, hop) * shape)
        return spectrum.abs().transpose(1, 2).unflatten(0, (batch, channels))


def frames_of(lengths: Int64[Tensor, " b"], hop: int) -> Int64[Tensor, " b"]:
    """Frames of items of these lengths."""
    return 1 + lengths // hop


def mel(magnitude: Float[Tensor, "b c f t"], sample_rate: int, bins: int) -> Float[Tensor, "b c m t"]:
    """Sums of magnitudes under triangles on Slaney's mel scale, from 0 to half the rate, each of area one."""
    filters = _filters(sample_rate, 2 * (magnitude.shape[2] - 1), bins, magnitude.device, magnitude.dtype)
    with torch.autocast(magnitude.device.type, enabled=False):
        return filters @ magnitude


@lru_cache(maxsize=64)
def mel_filters(sample_rate: int, window: int, bins: int) -> Float[Tensor, "m f"]:
    """Triangles [bins, window // 2 + 1] over the frequencies of an STFT, each scaled by 2 / its width in Hz."""
    frequencies = torch.linspace(0, sample_rate / 2, window // 2 + 1, dtype=torch.float64)
    corners = _hertz(torch.linspace(0, _mels(sample_rate / 2), bins + 2, dtype=torch.float64))
    lower, centre, upper = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (frequencies - lower) / (centre - lower)
    falling = (upper - frequencies) / (upper - centre)
    return torch.minimum(rising, falling).clamp_min(0) * (2 / (upper - lower))


@lru_cache(maxsize=64)
def _filters(sample_rate: int, window: int, bins: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # what is made in that mode is of no use to training afterwards
        return mel_filters(sample_rate, window, bins).to(device, dtype, copy=True)


def _mels(hertz: float) -> float:
    return hertz / _LINEAR if hertz < _BREAK else _BREAK / _LINEAR + math.log(hertz / _BREAK) / _LOG_STEP


def _hertz(mels: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    knee = _BREAK / _LINEAR
    return torch.where(mels < knee, mels * _LINEAR, _BREAK * torch.exp(_LOG_STEP * (mels - knee)))
