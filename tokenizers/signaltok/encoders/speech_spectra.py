"""The first layers of every encoder of speech: log-mel spectra, each bin normalised over the training data."""

from signaltok.layers.batch_norm import BatchNorm
from signaltok.layers.log_mel import LogMel
from signaltok.layers.signal_layer import SignalLayer


def speech_spectra(
    *,
    axes: int,
    channels: int,
    sample_rate: int,
    size: int,
    transform: int,
    hop: int,
    bins: int,
    floor: float,
    momentum: float,
) -> dict[str, SignalLayer]:
    """The layers "spectra" and "normalise" of a chain, [b, channels, n] -> [b, channels * bins, ceil(n / hop)].

    sample_rate, size, transform, hop, bins, floor: see layers.log_mel. momentum: of the running averages. Raises
    ValueError for axes other than 1.
    """
    if axes != 1:
        raise ValueError(f"axes is {axes}, but spectra of speech go over one; take another encoder")
    return {
        "spectra": LogMel(sample_rate=sample_rate, size=size, transform=transform, hop=hop, bins=bins, floor=floor),
        "normalise": BatchNorm(width=channels * bins, momentum=momentum, epsilon=1e-5, affine=False),
    }
