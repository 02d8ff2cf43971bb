"""Writing videos by PyAV: MP4 that plays anywhere, or Matroska without any loss."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from signaltok.files import atomic_file

QUALITY = {"crf": "12", "preset": "medium", "threads": "1"}


def write_video(frames: UInt8[np.ndarray, "t h w 3"], frame_rate: Fraction, path: Path, *, lossless: bool) -> None:
    """Constant frame rate. lossless: FFV1 in Matroska, as they are; else H.264 in MP4.

    Frames of an odd height or width are written with full colour (4:4:4), which not every player takes. Raises
    ValueError where this PyAV has no encoder for it.
    """
    codec, container = ("ffv1", "matroska") if lossless else ("libx264", "mp4")
    if codec not in av.codecs_available:
        raise ValueError(f"this PyAV was built without {codec}, so {path} cannot be written; install PyAV from PyPI")
    _, height, width, _ = frames.shape
    even = height % 2 == 0 and width % 2 == 0
    with atomic_file(path) as temporary, av.open(str(temporary), "w", format=container) as out:
        stream = out.add_stream(codec, rate=frame_rate, options={} if lossless else QUALITY)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = width, height
        stream.pix_fmt = "bgr0" if lossless else "yuv420p" if even else "yuv444p"
        stream.time_base = 1 / frame_rate
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, 1 / frame_rate
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
