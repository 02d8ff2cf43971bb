"""The files that tokenizers of each modality read and write."""

from collections.abc import Callable, Iterator
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
from signaltok.data.video_names import SUFFIXES as VIDEOS
from signaltok.files import atomic_file


@dataclass(frozen=True)
class SignalFiles:
    """words: what the files hold, in the plural. read: a signal [c, *s] in value range. write: one, with suffix.

    pieces: of videos, the same so many frames at a time. write_pieces: so, with samples [c, n] and their rate or None.
    """

    words: str
    suffixes: frozenset[str]
    read: Callable[[Path], Tensor]
    suffix: str
    write: Callable[[np.ndarray, Path], None]
    pieces: Callable[[Path, int], Iterator[Tensor]] | None = None
    write_pieces: Callable[[Iterator[np.ndarray], Path, tuple[np.ndarray, int] | None], None] | None = None

    def keys(self, folder: Path) -> list[str]:
        """Paths below folder, sorted; of a single file its name. ValueError where there are none."""
        if folder.is_file():
            if folder.suffix.lower() not in self.suffixes:
                raise ValueError(
                    f"{folder} is none of the {self.words} read here; they end in {', '.join(sorted(self.suffixes))}"
                )
            return [folder.name]
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
    if config["modality"] == "video" and rate is not None:
        return _videos(rate, low, high)
    if config["modality"] != "audio" or rate is None:
        raise ValueError(f"{folder} is a tokenizer for {_kind(config)}, but pictures, sounds and videos are read here")
    channels = config["channels"]
    return SignalFiles(
        "sounds",
        SOUNDS | VIDEOS,
        lambda path: _heard(path, rate, channels),
        ".wav",
        lambda x, path: _write_sound(x.clip(low, high), rate, path),
    )


def _kind(config: dict[str, Any]) -> str:
    return config["modality"] + (" without a sample rate" if config["modality"] in ("audio", "video") else "")


def _videos(rate: int, low: float, high: float) -> SignalFiles:
    # PyAV is slow to import, and needed for no other modality.
    from signaltok.data.read_video import read_pieces, read_video
    from signaltok.data.write_video import write_video

    return SignalFiles(
        "videos",
        VIDEOS,
        lambda path: read_video(path, frame_rate=rate),
        ".mp4",
        lambda x, path: write_video(_pixels(x, low, high), rate, path, lossless=False),
        lambda path, count: read_pieces(path, rate, count),
        lambda pieces, path, sound: write_video(
            (frame for piece in pieces for frame in _pixels(piece, low, high)), rate, path, lossless=False, sound=sound
        ),
    )


def _heard(path: Path, rate: int, channels: int) -> Tensor:
    """Of a video, its sound."""
    if path.suffix.lower() not in VIDEOS:
        return read_audio(path, sample_rate=rate, channels=channels)
    from signaltok.data.video_sound import read_sound

    return read_sound(path, rate, channels)


def _pixels(signal: np.ndarray, low: float, high: float) -> np.ndarray:
    """[c, *s] in value range as uint8 [*s, c]."""
    pixels = np.rint((signal.clip(low, high) - low) * (255 / (high - low))).astype(np.uint8)
    return np.moveaxis(pixels, 0, -1)


def _write_picture(signal: np.ndarray, low: float, high: float, path: Path) -> None:
    picture = _pixels(signal, low, high)
    with atomic_file(path) as temporary:
        Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(temporary, format="PNG")


def _write_sound(signal: np.ndarray, sample_rate: int, path: Path) -> None:
    """WAV of 16 bits."""
    with atomic_file(path) as temporary:
        soundfile.write(temporary, signal.T, sample_rate, format="WAV", subtype="PCM_16")
