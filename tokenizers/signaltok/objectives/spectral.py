"""Distances between spectra of sounds at several windows, means over the valid frames; padding is left out.

With several processes each gives its part of the mean over all of them.
"""

from jaxtyping import Float
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.layers.spectral_distance import Spectra
from signaltok.layers.spectrogram import frames_of
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import valid_mask


class _SpectralTerm(Term):
    """The sum over windows of the means of layers.spectral_distance."""

    def __init__(self, spectra: Spectra) -> None:
        super().__init__()
        self.spectra = spectra

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """0 for equal sounds, at least in float32. Raises ValueError for signals of more than one axis."""
        if batch.signal.ndim != 3:
            raise ValueError(
                f"{type(self).__name__} looks at sounds [b, c, n], got {tuple(batch.signal.shape)}; choose another "
                "objective"
            )
        x, y = full_precision(batch.signal), full_precision(reconstruction.signal)
        if batch.lengths is not None:
            mask = valid_mask(batch.lengths, tuple(x.shape[2:]))
            # where, before the spectrum: what stands in the padding, finite or not, has neither value nor gradient.
            x, y = x.where(mask, 0.0), y.where(mask, 0.0)
        total = x.new_zeros(())
        for distance, hop in self.spectra.distances(x, y):
            total = total + _mean(distance, batch, hop)
        return total


def _mean(distance: Float[Tensor, "b c k t"], batch: Batch, hop: int) -> Float[Tensor, ""]:
    if batch.lengths is None:
        return part_of_group_mean(distance.mean(), distance.numel())
    frames = frames_of(batch.lengths[:, 0], hop)
    mask = valid_mask(frames[:, None], (distance.shape[3],))[:, :, None]
    count = frames.sum() * distance.shape[1] * distance.shape[2]
    return part_of_group_mean(distance.where(mask, 0.0).sum() / count, count)


class MultiScaleSTFT(_SpectralTerm):
    """Of magnitudes (Yamamoto et al. 2020, equation 6, without spectral convergence); arguments as in Spectra."""

    def __init__(
        self,
        *,
        windows: list[int],
        hop: int,
        linear_weight: float,
        log_weight: float,
        log_norm: str,
        log_guard: str,
        guard: float,
    ) -> None:
        super().__init__(
            Spectra(
                windows=windows,
                hop=hop,
                bins=None,
                sample_rate=None,
                linear_weight=linear_weight,
                log_weight=log_weight,
                log_norm=log_norm,
                log_guard=log_guard,
                guard=guard,
            )
        )


class MultiScaleMel(_SpectralTerm):
    """Of mel spectrograms (Kumar et al. 2023, section 3.4); arguments as in Spectra."""

    def __init__(
        self,
        *,
        sample_rate: int,
        windows: list[int],
        bins: list[int],
        hop: int,
        linear_weight: float,
        log_weight: float,
        log_norm: str,
        log_guard: str,
        guard: float,
    ) -> None:
        super().__init__(
            Spectra(
                windows=windows,
                hop=hop,
                bins=bins,
                sample_rate=sample_rate,
                linear_weight=linear_weight,
                log_weight=log_weight,
                log_norm=log_norm,
                log_guard=log_guard,
                guard=guard,
            )
        )
