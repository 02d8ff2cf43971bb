"""How far two sounds are apart in their spectra at several windows, frame by frame."""

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.layers.spectrogram import magnitudes, mel

GUARDS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "clamp": lambda x, guard: x.clamp_min(guard),
    "add": lambda x, guard: x + guard,
}
NORMS: dict[str, Callable[[Tensor], Tensor]] = {"absolute": torch.abs, "squared": torch.square}


class Spectra:
    """linear_weight * |a - b| + log_weight * ‖log10 a - log10 b‖ of magnitudes, or of mel spectrograms, a and b.

    windows: lengths in samples; the step between frames is a window's length over hop. bins: of each window's mel
    spectrogram (Slaney's scale, from 0 to half of sample_rate); None for the magnitudes themselves. log_guard keeps
    the logarithm finite: "clamp" takes max(a, guard), "add" a + guard. log_norm: "absolute" or "squared".
    """

    def __init__(
        self,
        *,
        windows: Sequence[int],
        hop: int,
        bins: Sequence[int] | None,
        sample_rate: int | None,
        linear_weight: float,
        log_weight: float,
        log_norm: str,
        log_guard: str,
        guard: float,
    ) -> None:
        if hop < 1 or not windows or any(window < hop or window % hop for window in windows):
            raise ValueError(f"windows is {list(windows)} and hop {hop}; give window lengths that are multiples of hop")
        if log_guard not in GUARDS or log_norm not in NORMS:
            raise ValueError(
                f"log_guard is {log_guard!r}, one of {', '.join(GUARDS)}; log_norm is {log_norm!r}, one of "
                f"{', '.join(NORMS)}"
            )
        if not guard > 0:
            raise ValueError(f"guard is {guard}; it keeps the logarithm of silence finite and must be above 0")
        if bins is not None and (len(bins) != len(windows) or min(bins) < 1 or sample_rate is None):
            raise ValueError(
                f"bins is {list(bins)}, windows {list(windows)}, sample_rate {sample_rate}; give each window its "
                "number of mel bins, and the rate"
            )
        self.windows, self.hop, self.bins, self.sample_rate = list(windows), hop, bins, sample_rate
        self.linear_weight, self.log_weight = linear_weight, log_weight
        self.guard, self.log_guard, self.log_norm = guard, log_guard, log_norm

    def distances(
        self, x: Float[Tensor, "b c n"], y: Float[Tensor, "b c n"]
    ) -> Iterator[tuple[Float[Tensor, "b c k t"], int]]:
        """Of every window: the distances, and the hop of its frames."""
        norm, guarded = NORMS[self.log_norm], GUARDS[self.log_guard]
        for number, window in enumerate(self.windows):
            hop = window // self.hop
            a, b = (self._spectrum(magnitudes(signal, window, hop), number) for signal in (x, y))
            distance = a.new_zeros(())
            if self.linear_weight:
                distance = distance + self.linear_weight * (a - b).abs()
            if self.log_weight:
                logs = [guarded(values, self.guard).log10() for values in (a, b)]
                distance = distance + self.log_weight * norm(logs[0] - logs[1])
            yield distance.expand(a.shape), hop

    def words(self) -> str:
        """All settings in one line."""
        what = "magnitudes" if self.bins is None else f"{'/'.join(map(str, self.bins))} mel bins"
        linear = f"{self.linear_weight:g} |a − b| + " if self.linear_weight else ""
        norm = "|Δ log₁₀|" if self.log_norm == "absolute" else "(Δ log₁₀)²"
        guard = f"max(a, {self.guard:g})" if self.log_guard == "clamp" else f"a + {self.guard:g}"
        return (
            f"sum over Hann windows {'/'.join(map(str, self.windows))}, hop a {self.hop}th, of the mean over {what} of "
            f"{linear}{self.log_weight:g} {norm} of {guard}"
        )

    def _spectrum(self, magnitude: Float[Tensor, "b c f t"], number: int) -> Float[Tensor, "b c k t"]:
        if self.bins is None:
            return magnitude
        assert self.sample_rate is not None, "checked when built"
        return mel(magnitude, self.sample_rate, self.bins[number])
