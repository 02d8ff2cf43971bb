"""Sounds of a run: FLAC files and codes on disk, and the pictures that are shown of them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import soundfile
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from signaltok.metrics.kept import Sounds
from signaltok.reports.pictures import code_colours

CODES = "codes.safetensors"
ORIGINAL, RECONSTRUCTION = "original", "reconstruction"
WINDOW, HOP = 512, 128
RANGE_DECIBEL = 80.0
HEIGHT, WIDTH = 144, 400


@dataclass(frozen=True)
class Sound:
    """A sound [n, c] as it was and as it came back, the FLAC files of both, and its codes, a level an entry."""

    name: str
    sample_rate: int
    original: np.ndarray
    reconstruction: np.ndarray
    files: tuple[bytes, bytes]
    codes: tuple[np.ndarray, ...]


def write_sounds(folder: Path, sounds: Sounds) -> None:
    """folder/NN_original.flac and NN_reconstruction.flac (16 bits), and codes.safetensors with codes.NN.level."""
    codes = {}
    for number in range(len(sounds.keys)):
        for name, signals in ((ORIGINAL, sounds.originals), (RECONSTRUCTION, sounds.reconstructions)):
            path = folder / f"{number:02d}_{name}.flac"
            soundfile.write(path, signals[number].T.numpy(), sounds.sample_rate, format="FLAC", subtype="PCM_16")
        for level, values in enumerate(sounds.codes[number]):
            codes[f"codes.{number:02d}.{level}"] = np.ascontiguousarray(values.numpy())
    if codes:
        save_file(codes, folder / CODES, metadata={f"{n:02d}": key for n, key in enumerate(sounds.keys)})


def read_sounds(folder: Path) -> list[Sound]:
    """What write_sounds wrote; empty where there is nothing. ValueError where a file is damaged or missing."""
    codes: dict[str, np.ndarray] = {}
    if (folder / CODES).is_file():
        try:
            codes = load_file(folder / CODES)
        except SafetensorError as error:
            raise ValueError(f"{folder / CODES} is damaged: {error}") from None
    found = []
    for path in sorted(folder.glob(f"[0-9][0-9]_{ORIGINAL}.flac")):
        name = path.name[:2]
        files = [path.read_bytes(), _existing(folder / f"{name}_{RECONSTRUCTION}.flac").read_bytes()]
        (original, rate), (reconstruction, _) = (_decoded(file, path) for file in files)
        levels = sorted(
            (key for key in codes if key.startswith(f"codes.{name}.")), key=lambda key: int(key.split(".")[2])
        )
        found.append(
            Sound(name, rate, original, reconstruction, (files[0], files[1]), tuple(codes[key] for key in levels))
        )
    return found


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no {path}, but its original is there; evaluate the run again")
    return path


def _decoded(file: bytes, path: Path) -> tuple[np.ndarray, int]:
    try:
        return soundfile.read(io.BytesIO(file), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise ValueError(f"{path} is damaged: {error}; evaluate the run again") from None


def spectrograms(signals: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Pictures [HEIGHT, WIDTH, 3] uint8 of sounds [n, c] of one length, on one scale: the loudest cell of the first.

    Frequency upwards from 0, linear; colours over RANGE_DECIBEL.
    """
    decibels = [20 * np.log10(np.maximum(_magnitudes(signal.mean(1)), 1e-7)) for signal in signals]
    top = decibels[0].max()
    colours = np.rint(np.array(matplotlib.colormaps["magma"](np.arange(256)))[:, :3] * 255).astype(np.uint8)
    pictures = []
    for values in decibels:
        shares = ((values - top) / RANGE_DECIBEL + 1).clip(0, 1)
        grey = Image.fromarray(np.rint(shares[::-1] * 255).astype(np.uint8))
        pictures.append(colours[np.asarray(grey.resize((WIDTH, HEIGHT), Image.Resampling.BOX))])
    return pictures


def _magnitudes(signal: np.ndarray) -> np.ndarray:
    """|STFT| [frequencies, frames] under a Hann window; silence on both ends."""
    padded = np.pad(signal.astype(np.float64), (WINDOW // 2, WINDOW // 2 + HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.abs(np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1], axis=1)).T


def token_map(codes: Sequence[np.ndarray]) -> np.ndarray | None:
    """Codes over time [levels, frames, 3] uint8, every code its colour; coarser levels are stretched. None without."""
    if not codes or any(level.ndim != 1 for level in codes):
        return None
    frames = max(len(level) for level in codes)
    rows = [level[np.arange(frames) * len(level) // frames] for level in codes]
    return code_colours(np.stack(rows))


def spectrogram_sheet(sounds: Sounds, *, limit: int) -> np.ndarray:
    """One picture: of the first `limit` sounds, the original's spectrogram beside the reconstruction's."""
    rows = []
    for pair in zip(sounds.originals[:limit], sounds.reconstructions[:limit], strict=True):
        both = spectrograms([signal.T.numpy() for signal in pair])
        rows.append(np.concatenate([both[0], np.full((HEIGHT, 4, 3), 255, np.uint8), both[1]], axis=1))
    gap = np.full((4, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)][:-1])


def ratio_decibel(original: np.ndarray, reconstruction: np.ndarray) -> float | None:
    """SI-SDR of what is shown (metrics.sound); None where it has none."""
    x, y = original.astype(np.float64).ravel(), reconstruction.astype(np.float64).ravel()
    power = np.square(x).sum()
    if not power or not (x * y).sum():
        return None
    target = x * ((x * y).sum() / power)
    error = np.square(target - y).sum()
    return None if not error else float(10 * np.log10(np.square(target).sum() / error))
