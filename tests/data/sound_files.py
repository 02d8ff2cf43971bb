"""Small sound files for tests."""

from pathlib import Path

import numpy as np
import soundfile

SPEECH = Path(__file__).parents[2] / "data" / "speech"
MUSIC = Path(__file__).parents[2] / "data" / "music"


def tone(seconds: float, rate: int, *, channels: int = 1, hertz: float = 220.0) -> np.ndarray:
    """A decaying tone [n, channels], each channel a little higher than the one before."""
    time = np.arange(round(seconds * rate))[:, None] / rate
    return (0.5 * np.exp(-time) * np.sin(2 * np.pi * (hertz + 50 * np.arange(channels)) * time)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = 16000, **how: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **how)
    return path


def bad_files(folder):
    """Name -> file and the reason that is given."""
    whole = write(folder / "whole.wav", tone(0.5, 16000)).read_bytes()
    contents = {
        "empty.wav": (b"", "the file is empty"),
        "nothing.g722": (b"", "the file is empty"),
        "nothing.mp3": (b"", "the file is empty"),
        "text.flac": (b"this is no sound", "remove or replace it"),
        "cut.wav": (whole[:600], "its header promises|remove or replace it"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    write(folder / "silent.wav", np.zeros(0, np.float32))
    write(folder / "nan.wav", np.array([0.1, np.nan], np.float32), subtype="FLOAT")
    return {name: reason for name, (_, reason) in contents.items()} | {
        "silent.wav": "it holds no samples",
        "nan.wav": r"samples that are not numbers \(NaN\)",
        "missing.wav": "there is no such file",
    }
