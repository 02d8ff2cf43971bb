"""The files that tokenizers of each modality read and write."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image
from torch import Tensor

from signaltok.artifact.read import read_config
from signaltok.data.audio_file import SUFFIXES as SOUNDS
from signaltok.data.found_files import find_files
from signaltok.data.image_folder import SUFFIXES as PICTURES
from signaltok.data.read_audio import read_audio
from signaltok.data.read_image import read_image
from signaltok.files import atomic_file


@dataclass(frozen=True)
class SignalFiles:
    """words: what the files hold, in the plural. read: a signal [c, *s] in value range. write: one, with suffix."""

    words: str
    suffixes: frozenset[str]
    read: Callable[[Path], Tensor]
    suffix: str
    write: Callable[[np.ndarray, Path], None]

    def keys(self, folder: Path) -> list[str]:
        """Paths below folder, sorted. ValueError where there are none."""
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}; give the folder that holds the {self.words}")
        keys = sorted(find_files(folder, self.suffixes))
        if not keys:
            endings = ", ".join(sorted(self.suffixes))
            raise ValueError(f"the folder {folder} holds no {self.words}; expected files ending in {endings}")
        return keys


def signal_files(folder: Path) -> SignalFiles:
    """Of the exported tokenizer in folder. ValueError where its signals have no files that are read here."""
    config = read_config(folder)
    low, high = config["value_range"]
    if config["modality"] == "image":
        return SignalFiles("pictures", PICTURES, read_image, ".png", lambda x, path: _write_picture(x, low, high, path))
    rate = config.get("sample_rate")
    if config["modality"] != "audio" or rate is None:
        raise ValueError(f"{folder} is a tokenizer for {_kind(config)}, but pictures and sounds are read here")
    channels = config["channels"]
    return SignalFiles(
        "sounds",
        SOUNDS,
        lambda path: read_audio(path, sample_rate=rate, channels=channels),
        ".wav",
        lambda x, path: _write_sound(x.clip(low, high), rate, path),
    )


def _kind(config: dict[str, Any]) -> str:
    return config["modality"] + (" without a sample rate" if config["modality"] == "audio" else "")


def _write_picture(signal: np.ndarray, low: float, high: float, path: Path) -> None:
    pixels = np.rint((signal.clip(low, high) - low) * (255 / (high - low))).astype(np.uint8)
    picture = pixels.transpose(1, 2, 0)
    with atomic_file(path) as temporary:
        Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(temporary, format="PNG")


def _write_sound(signal: np.ndarray, sample_rate: int, path: Path) -> None:
    """WAV of 16 bits."""
    with atomic_file(path) as temporary:
        soundfile.write(temporary, signal.T, sample_rate, format="WAV", subtype="PCM_16")
