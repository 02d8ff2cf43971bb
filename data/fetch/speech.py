"""Make data/speech from Debian's packages asterisk-core-sounds-en-g722 and asterisk-core-sounds-en.

    apt-get download asterisk-core-sounds-en-g722 asterisk-core-sounds-en
    for package in asterisk-core-sounds-en*.deb; do dpkg -x $package UNPACKED; done
    python data/fetch/speech.py UNPACKED data/speech

All prompts of the package, files unmodified, and transcripts.tsv with the words of each. The same for other languages
(asterisk-core-sounds-fr-g722 with asterisk-core-sounds-fr, and es, it, ru):

    python data/fetch/speech.py UNPACKED data/downloads/speech_fr --language fr
"""

import argparse
import gzip
import shutil
from pathlib import Path

SOUNDS = Path("usr/share/asterisk/sounds")
TEXTS = Path("usr/share/doc")
# Language -> the beginning of the folder of its voice, speaker, licence; from the packages' copyright file.
VOICES = {
    "en": ("en_", "Allison Smith", "CC-BY-SA-3.0"),
    "es": ("es_", "Allison Smith", "CC-BY-SA-3.0"),
    "fr": ("fr_", "June Wallack", "CC-BY-SA-3.0"),
    "it": ("it_", "Carlo Flora", "CC-BY-SA-3.0"),
    "ru": ("ru", "Maxim Topal", "CC-BY-3.0"),
}


def transcripts(path: Path) -> dict[str, str]:
    """Key -> text of lines `key: text`; those that begin with a semicolon are comments."""
    found = {}
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        for line in file:
            key, colon, text = line.partition(":")
            if colon and not line.startswith(";"):
                found[key.strip()] = " ".join(text.split())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unpacked", type=Path, help="the folder dpkg -x wrote both packages to")
    parser.add_argument("out", type=Path, help="the folder to fill")
    parser.add_argument("--language", choices=sorted(VOICES), default="en")
    arguments = parser.parse_args()
    start, speaker, licence = VOICES[arguments.language]
    package = f"asterisk-core-sounds-{arguments.language}"
    text_files = sorted((arguments.unpacked / TEXTS / package).glob("core-sounds-*.txt.gz"))
    folders = [path for path in (arguments.unpacked / SOUNDS).glob(f"{start}*") if path.is_dir()]
    if not text_files or not folders:
        missing = package if not text_files else f"{package}-g722"
        parser.error(f"{arguments.unpacked} lacks what is in the package {missing}; unpack it there with dpkg -x too")
    texts = transcripts(text_files[0])
    root = max(folders, key=lambda folder: len(list(folder.rglob("*.g722"))))
    lines = []
    for path in sorted(root.rglob("*.g722")):
        key = path.relative_to(root).as_posix()
        target = arguments.out / key
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        text = texts.get(key.removesuffix(".g722"))
        if text is not None:
            lines.append(f"{key}\t{text}\n")
    (arguments.out / "transcripts.tsv").write_text("".join(lines), encoding="utf-8")
    (arguments.out / "ATTRIBUTION").write_text(
        f"Telephone prompts from Asterisk (Debian package {package}-g722, voice {root.name}),\n"
        f"G.722 at 16 kHz, unmodified. Recorded by {speaker}, financed by Digium, Inc. and others; {licence}.\n"
        "The licence is of the recordings and of what is cut from them; creativecommons.org has its text.\n"
        f"transcripts.tsv: file and words, from the package {package}; words in square brackets\n"
        "describe a sound. Made by data/fetch/speech.py.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
