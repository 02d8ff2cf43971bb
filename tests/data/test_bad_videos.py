"""Videos that say what is not so, or that nothing here can decode: a clear error or a counted skip, and right times."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from signaltok.data.read_video import read_video
from signaltok.data.video_data import VideoFolderData
from signaltok.data.video_file import read_header
from signaltok.data.video_sound import read_sound

DURATION = b"\x44\x89\x88"  # Matroska's element of the length, in milliseconds as a float of eight bytes


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> bytes:
    """Twenty frames of a second, frame n grey of 10 n, with a second of sound."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    with av.open(str(path), "w") as out:
        pictures, sound = out.add_stream("ffv1", rate=20), out.add_stream("pcm_s16le", rate=8000, layout="mono")
        pictures.width, pictures.height, pictures.pix_fmt = 24, 16, "bgr0"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((16, 24, 3), 10 * number, np.uint8), format="rgb24")
            out.mux(pictures.encode(frame))
        piece = av.AudioFrame.from_ndarray(np.full((1, 8000), 1000, np.int16), format="s16", layout="mono")
        piece.sample_rate = 8000
        out.mux(sound.encode(piece))
        for stream in (pictures, sound):
            out.mux(stream.encode(None))
    return path.read_bytes()


def changed(path: Path, film: bytes, old: bytes, new: bytes) -> Path:
    assert film.count(old) == 1 and len(old) == len(new)
    path.write_bytes(film.replace(old, new))
    return path


def which(signal: torch.Tensor) -> list[int]:
    pixels = (signal + 1) * 127.5
    return [round(float(frame.mean()) / 10) for frame in pixels.unbind(1)]


@pytest.mark.parametrize("milliseconds", [0.0, 100.0, 1e9])
def test_a_container_that_lies_about_its_length_changes_nothing(tmp_path, film, milliseconds):
    place = film.index(DURATION) + len(DURATION)
    assert struct.unpack(">d", film[place : place + 8]) == (1000.0,)
    path = tmp_path / "lies.mkv"
    path.write_bytes(film[:place] + struct.pack(">d", milliseconds) + film[place + 8 :])
    assert read_header(path).seconds == 1
    assert which(read_video(path, frame_rate=10)) == list(range(0, 20, 2))
    assert which(read_video(path, start=0.5)) == list(range(10, 20))
    assert read_sound(path, 8000, 1).shape == (1, 8000)


def test_a_codec_without_a_decoder_is_named_for_pictures_and_for_sound(tmp_path, film):
    pictures = changed(tmp_path / "pictures.mkv", film, b"FFV1", b"ZZZ1")
    for read in (read_video, lambda path: read_sound(path, 8000, 1)):
        with pytest.raises(ValueError, match=r"cannot read .*pictures\.mkv: Decoder not found"):
            read(pictures)
    sound = changed(tmp_path / "sound.mkv", film, b"A_PCM/INT/LIT", b"A_ZZZ/INT/LIT")
    assert which(read_video(sound)) == list(range(20))
    with pytest.raises(ValueError, match=r"cannot read .*sound\.mkv: PyAV has no decoder for its sound"):
        read_sound(sound, 8000, 1)


@pytest.mark.parametrize(
    ("name", "codec", "message"),
    [("none.mkv", "ffv1", "End of file"), ("none.mp4", "libx264", "it has no pictures, nor sound")],
)
def test_a_file_of_no_frames_is_named(tmp_path, name, codec, message):
    with av.open(str(tmp_path / name), "w") as out:
        stream = out.add_stream(codec, rate=20)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "bgr0" if codec == "ffv1" else "yuv420p"
        out.start_encoding()
    with pytest.raises(ValueError, match=rf"cannot read .*{name}: {message}"):
        read_video(tmp_path / name)


def test_what_cannot_be_decoded_is_left_out_of_a_folder_and_counted(tmp_path, film, caplog):
    (tmp_path / "good.mkv").write_bytes(film)
    changed(tmp_path / "codec.mkv", film, b"FFV1", b"ZZZ1")
    (tmp_path / "cut.mkv").write_bytes(film[:300])
    data = VideoFolderData(
        root=str(tmp_path), split="all", frame_rate=20, resize=None, cache_megabytes=0, frames=5, size=8,
        mirrored=False, eval_frames=4, batch_size=2, eval_batch_size=2, num_workers=0,
    )  # fmt: skip
    assert data.source.keys("test") == ("good.mkv",) and data.describe()["unreadable"]["files"] == 2
    assert "codec.mkv" in caplog.text and "cut.mkv" in caplog.text


def test_one_frame_lasts_as_long_as_its_packet_says(tmp_path):
    with av.open(str(tmp_path / "one.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=Fraction(24000, 1001))
        stream.width, stream.height, stream.pix_fmt = 25, 15, "bgr0"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((15, 25, 3), 50, np.uint8), format="rgb24")))
        out.mux(stream.encode(None))
    assert which(read_video(tmp_path / "one.mkv")) == [5]
    assert read_video(tmp_path / "one.mkv", frame_rate=Fraction(24000, 1001)).shape == (3, 1, 15, 25)
