"""Audio files: what their header says, and any stretch of them, without reading the rest.

- wav, flac, ogg (Vorbis, Opus) and mp3 are opened by libsndfile, which seeks. After a seek the decoders of the last
  three give other samples for a while (a mp3 frame needs the ones before it, and near its end a Vorbis file was found
  to be off by a block): a stretch of them is decoded from LOSSY_LEAD samples earlier on;
- g722 has neither header nor seeking: a byte holds two samples of 16 kHz mono. Its decoder remembers what came before,
  so a stretch is decoded from G722_LEAD bytes earlier on, after which the memory has faded to the bit (measured on the
  prompts of data/speech: from 8,000 bytes on).

Samples come as float32; decoders of compressed files overshoot, and what lies outside -1..1 is clipped there.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from jaxtyping import Float32
from torch import Tensor

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".mp3", ".opus", ".g722"})
G722 = ".g722"
G722_RATE = 16000
G722_LEAD = 16000
LOSSY_LEAD = 2**16
LOSSLESS = frozenset({".wav", ".flac"})


class Header(NamedTuple):
    """Samples a second, channels, and length in samples, of a file as it is."""

    sample_rate: int
    channels: int
    length: int


def read_header(path: Path) -> Header:
    """Without decoding. ValueError naming path and reason where there is none, or no sample in the file."""
    if path.is_file() and not path.stat().st_size:  # of which libsndfile says what is not so
        raise ValueError(f"cannot read {path}: the file is empty; remove or replace it")
    with _explained(path):
        if path.suffix.lower() == G722:
            header = Header(G722_RATE, 1, 2 * path.stat().st_size)
        else:
            about = soundfile.info(path)
            header = Header(about.samplerate, about.channels, about.frames)
    if header.length < 1:
        raise ValueError(f"cannot read {path}: it holds no samples; remove or replace it")
    return header


def read_stretch(path: Path, start: int, stop: int) -> Float32[Tensor, "c n"]:
    """Samples start .. stop - 1 of the file, at its own rate. ValueError where they are missing, or are no numbers."""
    assert 0 <= start < stop, f"{start}..{stop} is no stretch"
    with _explained(path):
        samples = _g722(path, start, stop) if path.suffix.lower() == G722 else _sound(path, start, stop)
    if samples.shape[1] != stop - start:
        raise ValueError(
            f"cannot read {path}: it ends after {start + samples.shape[1]:,} samples, before the {stop:,} that its "
            "header promises; remove or replace it"
        )
    if not np.isfinite(samples).all():
        raise ValueError(f"cannot read {path}: it holds samples that are not numbers (NaN); remove or replace it")
    return torch.from_numpy(samples.clip(-1.0, 1.0))


def _sound(path: Path, start: int, stop: int) -> np.ndarray:
    first = start if path.suffix.lower() in LOSSLESS else max(0, start - LOSSY_LEAD)
    with soundfile.SoundFile(path) as file:
        if first:
            file.seek(first)
        return np.ascontiguousarray(file.read(stop - first, dtype="float32", always_2d=True)[start - first :].T)


def _g722(path: Path, start: int, stop: int) -> np.ndarray:
    import av  # slow to import, and needed for no other kind of file

    first = max(0, start // 2 - G722_LEAD)
    with path.open("rb") as file:
        file.seek(first)
        coded = file.read((stop + 1) // 2 - first)
    if not coded:
        return np.zeros((1, 0), np.float32)
    with av.open(io.BytesIO(coded), mode="r", format="g722") as container:
        decoded = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    return decoded[:, start - 2 * first : stop - 2 * first].astype(np.float32) / 32768


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise ValueError(f"cannot read {path}: there is no such file; check the path")
    try:
        yield
    except (soundfile.SoundFileError, OSError) as error:  # PyAV's errors are OSErrors or ValueErrors too
        raise ValueError(f"cannot read {path}: {_reason(error)}; remove or replace it") from error


def _reason(error: Exception) -> str:
    """Of libsndfile's messages the last part; the first names the file again."""
    if isinstance(error, soundfile.LibsndfileError):
        return error.error_string.rstrip(".")
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
