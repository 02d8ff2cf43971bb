"""What a discriminator of waveforms looks at: the waveform, coarser, folded, or cut into short spectra.

A view is a function of one item at a time, without parameters and without state.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.exactness import full_precision
from signaltok.parts import Part

EDGES = ("none", "reflect")


class View(Part, nn.Module, ABC):
    """signal [b, c, t] -> pieces [b, width(c), l] or [b, width(c), l, f], judged by a stack of layers each.

    axes: of the pieces, 1 or 2; the first is time. extents: of each piece on the second axis; None where it has none.
    """

    axes: int
    extents: tuple[int | None, ...] = (None,)

    def width(self, channels: int) -> int:
        """Channels of a piece for so many of the signal."""
        return channels

    @abstractmethod
    def least(self, positions: int) -> int:
        """The shortest signal, in samples, whose pieces have so many positions in time."""

    @abstractmethod
    def forward(self, signal: Float[Tensor, "b c t"]) -> tuple[Float[Tensor, "b w ..."], ...]:
        """The pieces of a signal of at least least(1) samples."""


class ScaleView(View):
    """The waveform at 1 / 2^halvings of its rate: Kumar et al. 2019 (MelGAN).

    Each halving is a mean over 4 samples in steps of 2, with a sample of padding at either end that is left out of the
    mean.
    """

    axes = 1

    def __init__(self, *, halvings: int) -> None:
        super().__init__()
        if halvings < 0:
            raise ValueError(f"a scale view has halvings {halvings}; give 0 for the waveform itself, or more")
        self.halvings = halvings

    def least(self, positions: int) -> int:
        """See View."""
        return positions * 2**self.halvings

    def forward(self, signal: Float[Tensor, "b c t"]) -> tuple[Float[Tensor, "b w ..."], ...]:
        """See View; one piece [b, c, t // 2^halvings]."""
        for _ in range(self.halvings):
            signal = F.avg_pool1d(signal, 4, stride=2, padding=1, count_include_pad=False)
        return (signal,)


class PeriodView(View):
    """Every period-th sample in a column: Kong, Kim, Bae 2020 (HiFi-GAN), section 2.3.

    The end is filled up to a whole period by reflection, where it is not whole already; no sample is dropped. (DAC's
    release reflects one period more where it is whole.)
    """

    axes = 2

    def __init__(self, *, period: int) -> None:
        super().__init__()
        if period < 1:
            raise ValueError(f"a period view has period {period}; give 1 sample or more")
        self.period = period
        self.extents = (period,)

    def least(self, positions: int) -> int:
        """See View."""
        return max(self.period, self.period * (positions - 1) + 1)

    def forward(self, signal: Float[Tensor, "b c t"]) -> tuple[Float[Tensor, "b w ..."], ...]:
        """See View; one piece [b, c, ceil(t / period), period]."""
        missing = -signal.shape[2] % self.period
        if missing:
            signal = F.pad(signal, (0, missing), mode="reflect")
        return (signal.unflatten(2, (-1, self.period)),)


class SpectrumView(View):
    """The complex short-time Fourier transform, its real and its imaginary parts as channels, in bands.

    window: samples of the periodic Hann window and of the transform. hop: samples from one to the next. edges: "none",
    whole windows within the signal alone (Défossez et al. 2022, EnCodec, section 3.4), or "reflect", (window - hop) / 2
    samples of reflection at either end, so that there are ceil(t / hop) (Kumar et al. 2023, DAC). unit_norm: divide by
    the window's norm, as EnCodec does. bands: pairs of shares of the window / 2 + 1 frequencies, cut at their whole
    numbers; [[0.0, 1.0]] for all in one. Computed in full precision, whatever the surroundings are in.
    """

    axes = 2
    taper: Tensor

    def __init__(self, *, window: int, hop: int, edges: str, unit_norm: bool, bands: Sequence[Sequence[float]]) -> None:
        super().__init__()
        if window < 2 or window % 2 or not 1 <= hop <= window:
            raise ValueError(f"a spectrum view has window {window} and hop {hop}; give an even window, a hop up to it")
        if edges not in EDGES:
            raise ValueError(f"a spectrum view has edges {edges!r}; it is one of {', '.join(EDGES)}")
        if edges == "reflect" and (window - hop) % 2:
            raise ValueError(
                f"a spectrum view with edges has window {window} and hop {hop}; they differ by an odd number"
            )
        frequencies = window // 2 + 1
        self.bands = [(int(low * frequencies), int(high * frequencies)) for low, high in bands]
        if not self.bands or any(not 0 <= low < high <= frequencies for low, high in self.bands):
            raise ValueError(
                f"a spectrum view has bands {[list(band) for band in bands]} of {frequencies} frequencies; give pairs "
                "of shares, 0 to 1, each with a frequency in it"
            )
        self.window = window
        self.hop = hop
        self.margin = (window - hop) // 2 if edges == "reflect" else 0
        self.edges = edges
        self.extents = tuple(high - low for low, high in self.bands)
        taper = torch.hann_window(window, dtype=torch.float64)
        self.register_buffer("taper", (taper / taper.norm() if unit_norm else taper).float(), persistent=False)

    def width(self, channels: int) -> int:
        """See View."""
        return 2 * channels

    def least(self, positions: int) -> int:
        """See View."""
        if self.edges == "none":
            return self.window + (positions - 1) * self.hop
        # A reflection is shorter than what it reflects; at the end it is up to a hop longer than the margin.
        return max(self.margin + self.hop, (positions - 1) * self.hop + 1)

    def forward(self, signal: Float[Tensor, "b c t"]) -> tuple[Float[Tensor, "b w ..."], ...]:
        """See View; a piece [b, 2 c, windows, frequencies] for each band."""
        with torch.autocast(signal.device.type, enabled=False):
            signal = full_precision(signal)
            if self.edges == "reflect":
                whole = signal.shape[2] + -signal.shape[2] % self.hop
                signal = F.pad(signal, (self.margin, self.margin + whole - signal.shape[2]), mode="reflect")
            spectra = torch.stft(
                signal.flatten(0, 1), self.window, self.hop, window=self.taper, center=False, return_complex=True
            )
            spectra = spectra.unflatten(0, signal.shape[:2]).transpose(2, 3)
            channels = torch.cat([spectra.real, spectra.imag], dim=1)
        return tuple(channels[..., low:high] for low, high in self.bands)
