"""Make data/music from Debian's package sonic-pi-samples.

    apt-get download sonic-pi-samples && dpkg -x sonic-pi-samples_*.deb UNPACKED
    python data/fetch/music.py UNPACKED data/music

Every sample as 24 kHz mono FLAC of 16 bits: channels averaged, resampled as signaltok.data.read_audio does it. With
--as-is the files are copied as they are (44.1 kHz, many in stereo).
"""

import argparse
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import soundfile

from signaltok.data.read_audio import read_audio

SAMPLES = Path("usr/share/sonic-pi/samples")
SAMPLE_RATE = 24000


def origins(text: str) -> dict[str, str]:
    """Name -> author and number on Freesound, from the package's README."""
    found = re.findall(r"^\* `:(\w+)`.*?/people/([^/\s]+)/sounds/(\d+)", text, re.MULTILINE)
    return {name: f"{unquote(author)}, sound {number}" for name, author, number in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unpacked", type=Path, help="the folder dpkg -x wrote")
    parser.add_argument("out", type=Path, help="the folder to fill")
    parser.add_argument("--as-is", action="store_true", help="copy the files as the package has them")
    arguments = parser.parse_args()
    source = arguments.unpacked / SAMPLES
    authors = origins((source / "README.md").read_text(encoding="utf-8"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = []
    for path in sorted(source.glob("*.flac")):
        if arguments.as_is:
            shutil.copyfile(path, arguments.out / path.name)
        else:
            signal = read_audio(path, sample_rate=SAMPLE_RATE, channels=1)
            soundfile.write(arguments.out / path.name, signal[0].numpy(), SAMPLE_RATE, subtype="PCM_16")
        lines.append(f"{path.name:32s} {authors.get(path.stem, 'not named by the package')}\n")
    form = "unmodified" if arguments.as_is else "as 24 kHz mono FLAC of 16 bits"
    (arguments.out / "ATTRIBUTION").write_text(
        f"Samples from Sonic Pi (Debian package sonic-pi-samples), {form}.\n"
        "All of them are from Freesound under CC0 1.0; the part of the name before the first underline is a class.\n"
        "Made by data/fetch/music.py. Columns: file, author and number on Freesound.\n\n" + "".join(lines),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
