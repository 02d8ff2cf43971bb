"""The sound of a video, on the clock of its frames: sample 0 is heard when the first frame is shown.

Sound tracks begin before or after the pictures, and coders put silence before them; their time stamps say where each
piece belongs. Where there is no piece there is silence, and the sound ends with the pictures.
"""

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.audio.resampler import AudioResampler
from jaxtyping import Float32
from torch import Tensor

from signaltok.data.read_audio import mixed, resample
from signaltok.data.video_file import explained, read_header


def read_sound(path: str | Path, sample_rate: int, channels: int) -> Float32[Tensor, "c n"]:
    """The sound track in value range -1..1, as long as the pictures: ceil(seconds * sample_rate) samples.

    channels: 1 for the mean of all; of a track with one channel any number. ValueError naming path and reason where it
    cannot be read, or has no sound; a track of silence is a track.
    """
    path = Path(path)
    header = read_header(path)
    if not header.sound:
        raise ValueError(f"cannot read {path}: it has no sound track; leave it out of what is to be heard")
    begin = int(header.times[0]) * header.time_base
    with explained(path), av.open(str(path)) as container:
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise ValueError(f"cannot read {path}: PyAV has no decoder for its sound; convert it to another codec")
        rate, own = stream.codec_context.sample_rate, stream.codec_context.channels
        if channels not in (1, own) and own != 1:
            raise ValueError(
                f"{path} has {own} channels of sound, and {channels} are wanted; 1 is their mean, {own} takes them as "
                "they are"
            )
        track = np.zeros((own, math.ceil(header.seconds * rate)), np.float32)
        resampler = AudioResampler(format="fltp")  # the same rate and channels: only the numbers' type
        for frame in container.decode(stream):
            for piece in resampler.resample(frame):
                _put(track, piece.to_ndarray(), _place(frame, begin, rate))
    if not np.isfinite(track).all():
        raise ValueError(
            f"cannot read {path}: its sound holds samples that are not numbers (NaN); remove or replace it"
        )
    sound = mixed(torch.from_numpy(track.clip(-1.0, 1.0)), channels)
    length = math.ceil(header.seconds * sample_rate)
    heard = resample(sound, rate, sample_rate).clamp_(-1.0, 1.0)[:, :length]
    return torch.nn.functional.pad(heard, (0, length - heard.shape[1]))


def _place(frame: av.AudioFrame, begin: Fraction, rate: int) -> int:
    """The sample at which the frame begins, counted from the first picture."""
    assert frame.pts is not None and frame.time_base is not None, "decoded sound has time stamps"
    return round((frame.pts * frame.time_base - begin) * rate)


def _put(track: np.ndarray, piece: np.ndarray, start: int) -> None:
    first, last = max(0, start), min(track.shape[1], start + piece.shape[1])
    if first < last:
        track[:, first:last] = piece[:, first - start : last - start]
