"""The codes of a few built-in signals, read from files and encoded as everything else: what a fingerprint cannot know.

A tokenizer's fingerprint covers its weights and its description. Whether this machine's image decoder, resampler and
kernels turn a file into the codes that another machine's did, only codes can say.
"""

import hashlib
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from signaltok.cli.signal_files import SignalFiles
from signaltok.tokenizer import Tokenizer

PICTURES = ((40, 24), (48, 64), (33, 57), (64, 64))  # height and width
SECONDS = (0.25, 0.4)
FRAMES = 7  # of a video


def probe_hash(tokenizer: Tokenizer, files: SignalFiles, config: dict[str, Any]) -> str:
    """SHA-256 over the codes of four signals, each level's shape before its codes (int64, little-endian)."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        for path in _write(Path(folder), config):
            for level in tokenizer.encode(files.read(path)[None]).levels:
                codes = level[0].cpu().numpy().astype("<i8")
                digest.update(np.array(codes.shape, "<i8").tobytes())
                digest.update(codes.tobytes())
    return digest.hexdigest()


def _write(folder: Path, config: dict[str, Any]) -> list[Path]:
    if config["modality"] == "image":
        paths = [folder / f"{number}.png" for number in range(len(PICTURES))]
        for path, (height, width) in zip(paths, PICTURES, strict=True):
            slope = np.add.outer(np.arange(height) * 2, np.arange(width))[:, :, None] + np.arange(3) * 40
            noise = np.random.default_rng(height).integers(0, 64, (height, width, 3))
            Image.fromarray(((slope + noise) % 256).astype(np.uint8)).save(path)
        return paths
    rate, channels = config["sample_rate"], config["channels"]
    paths: list[Path] = []
    if config["modality"] == "video":
        from signaltok.data.write_video import write_video  # slow to import

        for number, (height, width) in enumerate(PICTURES):
            paths.append(folder / f"{number}.mkv")
            frames = np.random.default_rng(height).integers(0, 64, (FRAMES, height, width, 3))
            frames = (frames + np.add.outer(np.arange(FRAMES) * 5, np.arange(height))[:, :, None, None]).astype(
                np.uint8
            )
            write_video(frames, Fraction(rate), paths[-1], lossless=True)
        return paths
    for own in (rate, rate * 3 // 2):  # as it is, and resampled
        for number, seconds in enumerate(SECONDS):
            paths.append(folder / f"{own}-{number}.wav")
            count = round(own * seconds)
            noise = np.random.default_rng(number).integers(-3000, 3000, (count, channels))
            tone = (np.arange(count) * 440 % own * 16_000 // own - 8_000)[:, None]  # a saw, in integers
            soundfile.write(paths[-1], (tone + noise).astype(np.int16), own, subtype="PCM_16")
    return paths
