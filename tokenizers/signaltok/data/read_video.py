"""Videos at a wanted frame rate.

Frame k of a rate r is what is seen k / r seconds after the first frame: the last frame that was shown by then. So time
stamps stay right whatever the file's own rate is, constant or not; half a tick of the file's clock is forgiven, as
containers round their time stamps.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from signaltok.data.read_image import to_signal
from signaltok.data.video_file import VideoHeader, frames_in_turn, read_frames, read_header

SPARE = Fraction(1, 4)  # of a frame: one that would be shown for less at the end is left out


def read_video(
    path: str | Path,
    frame_rate: int | float | Fraction | None = None,
    start: int | float = 0.0,
    seconds: int | float | None = None,
    resize: int | None = None,
) -> Float32[Tensor, "3 t h w"]:
    """A file in value range -1..1, all frames of it from `start` seconds after its first one on.

    frame_rate: frames a second; None for the file's own frames, each once. seconds: no more than so many. resize: the
    shorter side in pixels. ValueError naming path and reason where it cannot be read, or has nothing to show then.
    """
    path = Path(path)
    header = read_header(path)
    times = header.times if frame_rate is None else header.times[shown_at(header, rate_of(frame_rate))]
    offsets = (times - times[0]) * header.time_base if frame_rate is None else np.arange(len(times)) / float(frame_rate)
    stop = math.inf if seconds is None else start + seconds
    inside = [n for n, offset in enumerate(offsets) if start <= float(offset) < stop]
    if not inside:
        raise ValueError(
            f"{path} is {float(header.seconds):.2f} s long and has no frame from {start:g} s on"
            + ("" if seconds is None else f" within {seconds:g} s")
        )
    return clip_signal(read_frames(path, times[inside], scaled_size(header, resize)))


def read_pieces(
    path: str | Path, frame_rate: int | float | Fraction, count: int
) -> Iterator[Float32[Tensor, "3 n h w"]]:
    """What read_video gives of the whole file, so many frames at a time, without holding more. Raises as read_video."""
    path = Path(path)
    header = read_header(path)
    times = header.times[shown_at(header, rate_of(frame_rate))]
    frames = frames_in_turn(path, times, None)
    while piece := list(islice(frames, count)):
        yield clip_signal(np.stack(piece))


def rate_of(frame_rate: int | float | Fraction) -> Fraction:
    """The rate as a fraction; 23.976, 29.97 and 59.94 are meant as 24,000/1,001 and so on. ValueError for none."""
    rate = Fraction(frame_rate).limit_denominator(1001)
    if not 0 < rate <= 1000:
        raise ValueError(f"frame_rate is {frame_rate}; it is above 0, and at most 1000 frames a second")
    return rate


def shown_at(header: VideoHeader, frame_rate: Fraction) -> np.ndarray:
    """Which of the file's frames is seen at each frame of this rate, int64 [count], rising."""
    count = max(1, math.ceil(header.seconds * frame_rate - SPARE))
    step = 1 / (frame_rate * header.time_base)
    moments = (2 * np.arange(count) * step.numerator + step.denominator) // (2 * step.denominator)
    return np.searchsorted(header.times - header.times[0], moments, side="right") - 1


def scaled_size(header: VideoHeader, resize: int | None) -> tuple[int, int] | None:
    """(height, width) with the shorter side at `resize` pixels; None where frames stay as they are."""
    if resize is None:
        return None
    shorter = min(header.height, header.width)
    return round(header.height * resize / shorter), round(header.width * resize / shorter)


def clip_signal(frames: UInt8[np.ndarray, "t h w 3"]) -> Float32[Tensor, "3 t h w"]:
    """Frames of 0..255 as a signal of -1..1, channels first."""
    pixels = torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2)))
    return to_signal(pixels.flatten(1, 2)).unflatten(1, pixels.shape[1:3])
