"""Make data/video from the source distribution of moviepy 2.2.1, which holds the film Big Buck Bunny.

    pip download --no-deps --no-binary :all: moviepy==2.2.1
    python data/fetch/film.py moviepy-2.2.1.tar.gz data/video

The film's first 488 seconds, before its credits, at every second frame (12 a second), 160 x 90 pixels, H.264 with a key
frame every two seconds, and its sound as 16 kHz mono AAC. splits.tsv says which seconds train, validate and test: black
and title come before the first, and five seconds between two of them belong to none.
"""

import argparse
import io
import tarfile
import zipfile
from fractions import Fraction
from pathlib import Path

import av
from av.audio.resampler import AudioResampler

ARCHIVE = "docs/_static/medias/getting_started/moviepy_10_minutes/moviepy_10_minutes.zip"
MEMBER = "moviepy_10_minutes/resources/bbb.mp4"
FILM = "big_buck_bunny.mp4"
SECONDS, WIDTH, HEIGHT, RATE, SOUND_RATE = 488, 160, 90, 12, 16000
QUALITY = {"crf": "25", "preset": "slow", "g": str(2 * RATE), "sc_threshold": "0", "threads": "1"}
SOUND_BITS = 24000
SPLITS = (("train", 28, 370), ("val", 375, 425), ("test", 430, 488))
ATTRIBUTION = """\
Big Buck Bunny, (c) copyright 2008, Blender Foundation / www.bigbuckbunny.org, under CC-BY-3.0
(https://creativecommons.org/licenses/by/3.0/). Changed: scaled to 160 x 90 pixels at 12 frames a second, sound mixed to
16 kHz mono, cut after 488 seconds. Taken from the source distribution of moviepy 2.2.1. Made by data/fetch/film.py.
"""


def original(archive: Path) -> io.BytesIO:
    """The film as the distribution has it."""
    with tarfile.open(archive) as tar:
        (name,) = (name for name in tar.getnames() if name.endswith(ARCHIVE))
        inner = tar.extractfile(name)
        assert inner is not None, name
        with zipfile.ZipFile(io.BytesIO(inner.read())) as zipped:
            return io.BytesIO(zipped.read(MEMBER))


def transcode(source: io.BytesIO, out: Path) -> None:
    """Every second frame and all of the sound, up to SECONDS."""
    with av.open(source) as film, av.open(str(out), "w") as small:
        pictures = small.add_stream("libx264", rate=RATE, options=QUALITY)
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = small.add_stream("aac", rate=SOUND_RATE, layout="mono")
        sound.bit_rate = SOUND_BITS
        resampler = AudioResampler(format="fltp", layout="mono", rate=SOUND_RATE)
        number = 0
        for packet in film.demux(video=0, audio=0):
            for frame in packet.decode():
                if frame.time is None or frame.time >= SECONDS:
                    continue
                if isinstance(frame, av.VideoFrame):
                    number += 1
                    if number % 2:
                        picture = frame.reformat(width=WIDTH, height=HEIGHT, format="yuv420p", interpolation="AREA")
                        picture.pts, picture.time_base = number // 2, Fraction(1, RATE)
                        picture.pict_type = av.video.frame.PictureType.NONE
                        small.mux(pictures.encode(picture))
                else:
                    for piece in resampler.resample(frame):
                        small.mux(sound.encode(piece))
        for stream in (pictures, sound):
            small.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="moviepy-2.2.1.tar.gz")
    parser.add_argument("out", type=Path, help="the folder to fill")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    transcode(original(arguments.archive), arguments.out / FILM)
    lines = [f"{FILM}\t{first}\t{last}\t{split}\n" for split, first, last in SPLITS]
    (arguments.out / "splits.tsv").write_text("".join(lines), encoding="utf-8")
    (arguments.out / "ATTRIBUTION").write_text(ATTRIBUTION, encoding="utf-8")


if __name__ == "__main__":
    main()
