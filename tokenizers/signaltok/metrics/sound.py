"""Distortion of sounds, per item, over its valid extent, in float64: SI-SDR and distances between spectra."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.signal_ratio import si_sdr
from signaltok.layers.spectral_distance import Spectra
from signaltok.metrics.distortion import CAP_DECIBEL, Metric, exact, pairs

DAC_WINDOWS = (32, 64, 128, 256, 512, 1024, 2048)
DAC_BINS = (5, 10, 20, 40, 80, 160, 320)
STFT_WINDOWS = (2048, 512)
GUARD = 1e-5


class ScaleInvariantRatio(Metric):
    """SI-SDR in dB (Le Roux et al. 2019, equation 4), of all channels at once; higher is better.

    Between -100 and 100, so that the mean stays finite: 100 for a reconstruction that is the original at any positive
    or negative scale, -100 for one that has nothing of it. A silent original has no value and is left out.
    """

    def measure(
        self,
        signal: Float[Tensor, "b c n"],
        reconstruction: Float[Tensor, "b c n"],
        value_range: tuple[float, float],  # noqa: ARG002
        lengths: Int64[Tensor, "b 1"] | None,
    ) -> Float[Tensor, " b"]:
        """The SI-SDR of every item."""
        return torch.stack(
            [self._of_one(x.reshape(1, -1), y.reshape(1, -1)) for x, y in pairs(signal, reconstruction, lengths)]
        )

    @staticmethod
    def _of_one(x: Float[Tensor, "1 n"], y: Float[Tensor, "1 n"]) -> Float[Tensor, ""]:
        x, y = exact(x), exact(y)
        if not x.any():
            return x.new_full((), torch.nan)
        if not (x * y).sum():
            return x.new_full((), -CAP_DECIBEL)
        return si_sdr(x, y, 0.0)[0].clamp(-CAP_DECIBEL, CAP_DECIBEL)

    def words(self) -> str:
        """See Metric."""
        return "no mean removed"


class _SpectralMetric(Metric):
    """Distances of layers.spectral_distance."""

    def __init__(self, spectra: Spectra) -> None:
        self._spectra = spectra

    def measure(
        self,
        signal: Float[Tensor, "b c n"],
        reconstruction: Float[Tensor, "b c n"],
        value_range: tuple[float, float],  # noqa: ARG002
        lengths: Int64[Tensor, "b 1"] | None,
    ) -> Float[Tensor, " b"]:
        """The sum over windows of every item's mean distance."""
        of_one: Callable[[Tensor, Tensor], Tensor] = lambda x, y: torch.stack(  # noqa: E731
            [distance.mean() for distance, _ in self._spectra.distances(exact(x)[None], exact(y)[None])]
        ).sum()
        return torch.stack([of_one(x, y) for x, y in pairs(signal, reconstruction, lengths)])

    def words(self) -> str:
        """See Metric."""
        return self._spectra.words()


class LogMelDistance(_SpectralMetric):
    """Log-mel distance at DAC's seven windows (Kumar et al. 2023): the mean |log10| difference, summed over them."""

    def __init__(self, *, sample_rate: int) -> None:
        super().__init__(
            Spectra(
                windows=DAC_WINDOWS,
                hop=4,
                bins=DAC_BINS,
                sample_rate=sample_rate,
                linear_weight=0.0,
                log_weight=1.0,
                log_norm="absolute",
                log_guard="clamp",
                guard=GUARD,
            )
        )


class STFTDistance(_SpectralMetric):
    """STFT distance at windows of 2048 and 512: mean |difference| of magnitudes and of their log10, summed."""

    def __init__(self) -> None:
        super().__init__(
            Spectra(
                windows=STFT_WINDOWS,
                hop=4,
                bins=None,
                sample_rate=None,
                linear_weight=1.0,
                log_weight=1.0,
                log_norm="absolute",
                log_guard="clamp",
                guard=GUARD,
            )
        )
