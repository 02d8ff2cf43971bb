"""Audio at a wanted rate and number of channels.

Rates are changed by torchaudio's windowed sinc: 64 zero crossings, roll-off 0.9476, Kaiser window of beta 14.77 (its
documentation's "Kaiser best"). A stretch of a resampled file is computed from the stretch of the file that it needs, a
multiple of the filter's own step away from the start, so it is what resampling the whole file would give.
Channels: the mean of all where one is wanted, one channel repeated where several are.
"""

from math import gcd
from pathlib import Path

from jaxtyping import Float32
from torch import Tensor

from signaltok.data.audio_file import Header, read_header, read_stretch

RESAMPLING = {
    "resampling_method": "sinc_interp_kaiser",
    "lowpass_filter_width": 64,
    "rolloff": 0.9475937167399596,
    "beta": 14.769656459379492,
}

PIECE = 2**20  # samples that are resampled at a time


def read_audio(path: str | Path, sample_rate: int | None = None, channels: int | None = None) -> Float32[Tensor, "c n"]:
    """A file in value range -1..1. sample_rate, channels: what is wanted; None for the file's own.

    ValueError naming path and reason where it cannot be read, or has other channels than can be made of it.
    """
    path = Path(path)
    header = read_header(path)
    rate = header.sample_rate if sample_rate is None else sample_rate
    return read_segment(path, header, rate, channels, 0, resampled_length(header, rate))


def read_segment(
    path: Path, header: Header, sample_rate: int, channels: int | None, start: int, stop: int
) -> Float32[Tensor, "c n"]:
    """Samples start .. stop - 1, counted at sample_rate, of what read_audio gives; no more of the file is read."""
    check_channels(path, header, channels)
    assert 0 <= start < stop <= resampled_length(header, sample_rate), f"{start}..{stop} of {path}"
    if sample_rate == header.sample_rate:
        return mixed(read_stretch(path, start, stop), channels)
    old, new = reduced(header.sample_rate, sample_rate)
    reach = _reach(old, new)
    first = max(0, start // new - reach)
    last = -(-stop // new) + reach
    samples = read_stretch(path, first * old, min(last * old, header.length))
    result = resample(mixed(samples, channels), header.sample_rate, sample_rate).clamp_(-1.0, 1.0)
    return result[:, start - first * new : stop - first * new].clone()


def resample(signal: Float32[Tensor, "c n"], old_rate: int, new_rate: int) -> Float32[Tensor, "c m"]:
    """ceil(n * new_rate / old_rate) samples, by the filter above; signal itself at equal rates.

    In pieces, which gives the same to the bit: of an hour at once the filter would take gigabytes.
    """
    if old_rate == new_rate:
        return signal
    # An import of torchaudio is slow, and who has files of the right rate is not to pay for it.
    from torchaudio.functional import resample as windowed_sinc

    old, new = reduced(old_rate, new_rate)
    reach, length = _reach(old, new), -(-signal.shape[1] * new // old)
    result = signal.new_empty(len(signal), length)
    step = max(1, PIECE // new) * new
    for start in range(0, length, step):
        stop = min(length, start + step)
        first, last = max(0, start // new - reach), -(-stop // new) + reach
        piece = windowed_sinc(signal[:, first * old : last * old], old_rate, new_rate, **RESAMPLING)
        result[:, start:stop] = piece[:, start - first * new : stop - first * new]
    return result


def _reach(old: int, new: int) -> int:
    """In steps of the filter, each `old` samples of a file and `new` of the result: how many it looks aside."""
    return -(-int(RESAMPLING["lowpass_filter_width"] * max(1.0, old / new) / RESAMPLING["rolloff"] + 1) // old) + 1


def resampled_length(header: Header, sample_rate: int) -> int:
    """Samples of the whole file at sample_rate."""
    old, new = reduced(header.sample_rate, sample_rate)
    return -(-header.length * new // old)


def reduced(old_rate: int, new_rate: int) -> tuple[int, int]:
    """Both rates over their greatest common divisor. ValueError where one is no rate."""
    if old_rate < 1 or new_rate < 1:
        raise ValueError(f"cannot resample from {old_rate} to {new_rate} samples a second; rates are 1 or more")
    shared = gcd(old_rate, new_rate)
    return old_rate // shared, new_rate // shared


def check_channels(path: Path, header: Header, channels: int | None) -> None:
    """ValueError where the wanted channels cannot be made of the file's."""
    if channels not in (None, 1, header.channels) and header.channels != 1:
        raise ValueError(
            f"{path} has {header.channels} channels, and {channels} are wanted; 1 is their mean, {header.channels} "
            "takes them as they are"
        )


def mixed(signal: Float32[Tensor, "c n"], channels: int | None) -> Float32[Tensor, "c2 n"]:
    """The wanted channels."""
    if channels is None or channels == signal.shape[0]:
        return signal
    return signal.mean(0, keepdim=True) if channels == 1 else signal.expand(channels, -1).clone()
