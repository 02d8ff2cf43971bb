"""Writing videos by PyAV: MP4 that plays anywhere, with sound where there is any, or Matroska without any loss."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from jaxtyping import Float32, UInt8

from signaltok.files import atomic_file

QUALITY = {"crf": "12", "preset": "medium", "threads": "1"}
SOUND_BITS = 96_000  # a second and channel
PIECE = 1024  # samples that are encoded at a time


def write_video(
    frames: Iterable[UInt8[np.ndarray, "h w 3"]],
    frame_rate: int | Fraction,
    path: Path,
    *,
    lossless: bool,
    sound: tuple[Float32[np.ndarray, "c n"], int] | None = None,
) -> None:
    """Frames of one size, as they come, at a constant rate. lossless: FFV1 in Matroska, as they are; else H.264 in MP4.

    sound: samples in -1..1, the first heard with the first frame, and their rate; AAC, or as 16-bit numbers without
    loss. Frames of an odd height or width are written with full colour (4:4:4), which not every player takes. Raises
    ValueError where this PyAV has no encoder for it.
    """
    codecs = ("ffv1", "pcm_s16le") if lossless else ("libx264", "aac")
    for codec in codecs:
        if codec not in av.codecs_available:
            raise ValueError(
                f"this PyAV was built without {codec}, so {path} cannot be written; install PyAV from PyPI"
            )
    coming = iter(frames)
    first = next(coming)
    height, width, _ = first.shape
    even = height % 2 == 0 and width % 2 == 0
    rate = Fraction(frame_rate)
    kind = "matroska" if lossless else "mp4"
    with atomic_file(path) as temporary, av.open(str(temporary), "w", format=kind) as out:
        stream = out.add_stream(codecs[0], rate=rate, options={} if lossless else QUALITY)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = width, height
        stream.pix_fmt = "bgr0" if lossless else "yuv420p" if even else "yuv444p"
        stream.time_base = 1 / rate
        track = None if sound is None else _track(out, codecs[1], *sound)
        for number, picture in enumerate(chain([first], coming)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None and track is not None:
            _put_sound(out, track, *sound)


def _track(out: OutputContainer, codec: str, samples: np.ndarray, sample_rate: int) -> av.AudioStream:
    if len(samples) not in (1, 2):
        raise ValueError(f"sound of {len(samples)} channels cannot be written into a video; give 1 or 2")
    track = out.add_stream(codec, rate=sample_rate, layout="mono" if len(samples) == 1 else "stereo")
    assert isinstance(track, av.AudioStream)
    if codec == "aac":
        track.bit_rate = SOUND_BITS * len(samples)
    return track


def _put_sound(out: OutputContainer, track: av.AudioStream, samples: np.ndarray, sample_rate: int) -> None:
    layout = "mono" if len(samples) == 1 else "stereo"
    whole = np.rint(samples.clip(-1, 1) * 32767).astype(np.int16)
    for start in range(0, whole.shape[1], PIECE):
        piece = np.ascontiguousarray(whole[:, start : start + PIECE])
        frame = av.AudioFrame.from_ndarray(piece, format="s16p", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, start, Fraction(1, sample_rate)
        out.mux(track.encode(frame))
    out.mux(track.encode(None))
