"""Measures of speech that other packages compute, channel by channel: STOI, PESQ and ViSQOL.

What a measure cannot say of an item (too short, no speech in it) is NaN, which evaluation leaves out and counts.
"""

import importlib
import importlib.util
import warnings
from abc import abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.data.read_audio import resample
from signaltok.metrics.distortion import Metric, pairs


class _PackageMetric(Metric):
    """The mean over the channels of a number that a package computes at one rate. rate: which, None for sample_rate."""

    def __init__(self, *, sample_rate: int, rate: int | None, package: str, extra: str) -> None:
        self.sample_rate, self.rate = sample_rate, rate or sample_rate
        self._name = package
        if importlib.util.find_spec(package) is None:
            raise ValueError(
                f"{type(self).__name__} needs the package {package}: pip install 'signaltok[{extra}]', or leave it out "
                "of metrics"
            )

    @property
    def _package(self) -> Any:
        """Not held, because a run copies its metrics and modules cannot be copied."""
        return importlib.import_module(self._name)

    def measure(
        self,
        signal: Float[Tensor, "b c n"],
        reconstruction: Float[Tensor, "b c n"],
        value_range: tuple[float, float],  # noqa: ARG002
        lengths: Int64[Tensor, "b 1"] | None,
    ) -> Float[Tensor, " b"]:
        """The number of every item; NaN where there is none."""
        values = []
        for x, y in pairs(signal, reconstruction, lengths):
            x, y = (resample(v.float().cpu(), self.sample_rate, self.rate).double().numpy() for v in (x, y))
            values.append(np.mean([self.of_channel(a, b) for a, b in zip(x, y, strict=True)]))
        return torch.tensor(values, dtype=torch.float64)

    @abstractmethod
    def of_channel(self, x: np.ndarray, y: np.ndarray) -> float:
        """Of one channel [n] at the rate; NaN where it cannot be said."""


class ShortTimeIntelligibility(_PackageMetric):
    """STOI (Taal et al. 2011) by pystoi, at most 1; of items with less than 0.4 s of speech there is none."""

    def __init__(self, *, sample_rate: int) -> None:
        super().__init__(sample_rate=sample_rate, rate=None, package="pystoi", extra="metrics")

    def of_channel(self, x: np.ndarray, y: np.ndarray) -> float:
        """See _PackageMetric."""
        if 10 * len(x) < self.rate or not x.any():
            return np.nan
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", RuntimeWarning)
            value = float(self._package.stoi(x, y, self.rate, extended=False))
        # It warns and gives 1e-5 where too few frames are not silent.
        return np.nan if any("Not enough STFT frames" in str(warning.message) for warning in told) else value

    def words(self) -> str:
        """See Metric."""
        return "pystoi, not extended"


class PerceptualSpeechQuality(_PackageMetric):
    """PESQ (ITU-T P.862.2) by the package pesq, 1 to 4.64, at 16 kHz; other rates are resampled to it.

    There is none of items shorter than a quarter of a second or without speech.
    """

    def __init__(self, *, sample_rate: int) -> None:
        super().__init__(sample_rate=sample_rate, rate=16000, package="pesq", extra="pesq")

    def of_channel(self, x: np.ndarray, y: np.ndarray) -> float:
        """See _PackageMetric."""
        if not x.any():
            return np.nan
        value = self._package.pesq(self.rate, x, y, "wb", on_error=self._package.PesqError.RETURN_VALUES)
        return float(value) if value > 0 else np.nan

    def words(self) -> str:
        """See Metric."""
        return "wide band, at 16 kHz"


class ObjectiveListener(_PackageMetric):
    """ViSQOL (Chinen et al. 2020) by visqol-python, 1 to 5.

    mode: "speech" at 16 kHz, by its polynomial and without the lattice network; "audio" at 48 kHz. Items shorter than
    half a second have none.
    """

    def __init__(self, *, sample_rate: int, mode: str) -> None:
        rates = {"speech": 16000, "audio": 48000}
        if mode not in rates:
            raise ValueError(f"mode is {mode!r}; it is one of {', '.join(rates)}")
        super().__init__(sample_rate=sample_rate, rate=rates[mode], package="visqol", extra="visqol")
        self.mode = mode

    def of_channel(self, x: np.ndarray, y: np.ndarray) -> float:
        """See _PackageMetric."""
        if 2 * len(x) < self.rate or not x.any():
            return np.nan
        return float(_listener(self.mode).measure_from_arrays(x, y, self.rate).moslqo)

    def words(self) -> str:
        """See Metric."""
        return f"visqol-python, mode {self.mode}, no lattice network, at {self.rate / 1000:g} kHz"


@lru_cache
def _listener(mode: str) -> Any:
    listener = importlib.import_module("visqol").VisqolApi()
    listener.create(mode=mode, use_lattice_model=False)
    return listener
