"""Copy the audio of an unpacked Debian package into a folder for data=audio_folder, with its licence.

    apt-get download singularity-music && dpkg -x singularity-music_*.deb UNPACKED
    python data/fetch/sounds.py UNPACKED data/downloads/singularity_music
    python train.py experiment=... data=audio_folder data.root=data/downloads/singularity_music

Tried with singularity-music (16 tracks, 48 kHz stereo), asterisk-moh-opsound-g722 (5 songs, 16 kHz) and festvox-ru (620
utterances of one speaker, 16 kHz, whose texts become transcripts.tsv, so that data.split=text can be taken, and whose
labels of phones become phones.tsv, a line "file TAB start TAB end TAB phone" with seconds).
Each file is copied once, unmodified, also where several links lead to it.
"""

import argparse
import re
import shutil
from pathlib import Path

from signaltok.data.audio_file import SUFFIXES

PROMPTS = "txt.done.data"  # Festival's list of utterances: ( name "text" )
LABELS = ".lab"  # Festival's phones of an utterance: a head up to a line "#", then lines "end number phone"


def phones(path: Path) -> list[tuple[float, float, str]]:
    """(start, end, phone) in seconds; a label of no duration is left out."""
    _, mark, body = path.read_text(encoding="utf-8").partition("#")
    if not mark:
        raise SystemExit(f"{path} has no line '#', after which labels begin")
    found, start = [], 0.0
    for line in body.splitlines()[1:]:
        end, _, label = line.split()
        if float(end) > start:
            found.append((start, float(end), label))
            start = float(end)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unpacked", type=Path, help="the folder dpkg -x wrote")
    parser.add_argument("out", type=Path, help="the folder to fill")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = [path for path in sorted(arguments.unpacked.rglob("*")) if path.suffix.lower() in SUFFIXES]
    files = {path.resolve(): path.name for path in reversed(found) if path.is_file()}
    for path, name in sorted(files.items(), key=lambda pair: pair[1]):
        if (arguments.out / name).exists():
            raise SystemExit(f"{name} is there already, or twice in the package; give an empty folder")
        shutil.copyfile(path, arguments.out / name)
    texts = {
        name: " ".join(text.replace("+", "").split())
        for path in arguments.unpacked.rglob(PROMPTS)
        for name, text in re.findall(r'\(\s*(\S+)\s+"(.*?)"\s*\)', path.read_text(encoding="utf-8"))
    }
    lines = [f"{name}\t{texts[Path(name).stem]}\n" for name in sorted(files.values()) if Path(name).stem in texts]
    if lines:
        (arguments.out / "transcripts.tsv").write_text("".join(lines), encoding="utf-8")
    labels = {path.stem: path for path in arguments.unpacked.rglob(f"*{LABELS}")}
    spoken = [
        f"{name}\t{start:g}\t{end:g}\t{label}\n"
        for name in sorted(files.values())
        if Path(name).stem in labels
        for start, end, label in phones(labels[Path(name).stem])
    ]
    if spoken:
        (arguments.out / "phones.tsv").write_text("".join(spoken), encoding="utf-8")
    copyrights = sorted((arguments.unpacked / "usr/share/doc").glob("*/copyright"))
    packages = ", ".join(path.parent.name for path in copyrights)
    (arguments.out / "ATTRIBUTION").write_text(
        f"Made by data/fetch/sounds.py from {packages}, whose copyright says:\n\n"
        + "\n".join(path.read_text(encoding="utf-8") for path in copyrights),
        encoding="utf-8",
    )
    print(
        f"{len(files)} files in {arguments.out}"
        + (f", {len(lines)} with their text" if lines else "")
        + (f", {len(spoken)} phones" if spoken else "")
    )


if __name__ == "__main__":
    main()
