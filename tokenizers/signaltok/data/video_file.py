"""Video files by PyAV: when each frame is shown, and any frames of a file, without decoding the rest.

A container's own words about length and rate are not trusted: the time stamps of its packets say which frames there
are. Frames are found by their time stamp, from the key frame before, or from the beginning where a seek leads astray.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from jaxtyping import UInt8

INTERPOLATION = "AREA"  # of libswscale, where frames are scaled


class VideoHeader(NamedTuple):
    """times: of each frame in ticks of time_base seconds, rising; end: when the last one is over.

    height, width: of the frames as they are to be seen. sound: whether there is a sound track too.
    """

    times: np.ndarray
    end: int
    time_base: Fraction
    height: int
    width: int
    sound: bool

    @property
    def seconds(self) -> Fraction:
        """From the first frame to the end of the last one."""
        return (self.end - int(self.times[0])) * self.time_base


def read_header(path: Path) -> VideoHeader:
    """Reads all packets and decodes one frame. ValueError naming path and reason where there is no picture."""
    with explained(path), av.open(str(path)) as container:
        stream = _pictures(path, container)
        sound = bool(container.streams.audio)
        packets = [p for p in container.demux(stream) if p.pts is not None and p.size and not p.is_discard]
        if not packets:
            raise ValueError(f"cannot read {path}: it holds no frames with a time stamp; remove or replace it")
        assert stream.time_base is not None
        times = np.unique(np.array([packet.pts for packet in packets], np.int64))
        last = max(packets, key=lambda packet: packet.pts or 0)
        step = last.duration or (int(np.median(np.diff(times))) if len(times) > 1 else 1)
        base = stream.time_base
    (first,) = read_frames(path, times[:1], None)
    height, width = first.shape[:2]
    return VideoHeader(times, int(times[-1]) + int(step), base, height, width, sound)


def read_frames(
    path: Path, times: Sequence[int] | np.ndarray, size: tuple[int, int] | None
) -> UInt8[np.ndarray, "n h w 3"]:
    """The frames shown at these times, rising, in ticks; a time may come more than once. size: (height, width), scaled.

    ValueError naming path and reason where one of them is not there, or is damaged.
    """
    wanted = [int(time) for time in times]
    assert wanted and wanted == sorted(wanted), "times rise"
    with explained(path):
        found = _decoded(path, set(wanted), wanted[0], wanted[-1], size)
        if wanted[0] not in found:
            found = _decoded(path, set(wanted), None, wanted[-1], size)
    missing = [time for time in wanted if time not in found]
    if missing:
        raise ValueError(
            f"cannot read {path}: {len(missing)} of the {len(wanted)} frames asked for cannot be decoded, although the "
            "file lists them (it may be cut off, or damaged); remove or replace it"
        )
    return np.stack([found[time] for time in wanted])


def frames_in_turn(
    path: Path, times: Sequence[int] | np.ndarray, size: tuple[int, int] | None
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """read_frames one after another from the file's beginning on, of which no more than one is held at a time."""
    wanted, place = [int(time) for time in times], 0
    with explained(path), av.open(str(path)) as container:
        stream = _pictures(path, container)
        stream.thread_type = "NONE"
        for frame in container.decode(stream):
            if frame.pts == wanted[place] and not frame.is_corrupt:
                picture = _upright(frame, size)
                while place < len(wanted) and wanted[place] == frame.pts:
                    yield picture
                    place += 1
                if place == len(wanted):
                    return
    raise ValueError(
        f"cannot read {path}: of {len(wanted)} frames that it lists the first {place} can be decoded, and no more (it "
        "may be cut off, or damaged); remove or replace it"
    )


def _decoded(
    path: Path, wanted: set[int], start: int | None, stop: int, size: tuple[int, int] | None
) -> dict[int, np.ndarray]:
    """Frame by time; start: where to seek to, None for the beginning."""
    found: dict[int, np.ndarray] = {}
    with av.open(str(path)) as container:
        stream = _pictures(path, container)
        stream.thread_type = "NONE"  # by one thread, so that several processes can read
        if start is not None:
            container.seek(start, stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts in wanted and not frame.is_corrupt:
                found[frame.pts] = _upright(frame, size)
            if frame.pts is not None and frame.pts >= stop:
                break
    return found


def _upright(frame: av.VideoFrame, size: tuple[int, int] | None) -> np.ndarray:
    """The frame as it is to be seen. Its rotation counts counterclockwise, as numpy's does."""
    turns = round(frame.rotation / 90) % 4
    if size is not None:
        height, width = size if turns % 2 == 0 else size[::-1]
        frame = frame.reformat(width=width, height=height, format="rgb24", interpolation=INTERPOLATION)
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))


def _pictures(path: Path, container: InputContainer) -> av.VideoStream:
    if not container.streams.video:
        other = "only sound; signaltok.read_audio reads sounds" if container.streams.audio else "nor sound"
        raise ValueError(f"cannot read {path}: it has no pictures, {other}")
    return container.streams.video[0]


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what PyAV says of a file into a ValueError that names it."""
    if not path.is_file():
        raise ValueError(f"cannot read {path}: there is no such file; check the path")
    try:
        yield
    except FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"cannot read {path}: {reason}; remove or replace it") from error
