"""Make data/photos from Debian's package endless-sky-data.

    apt-get download endless-sky-data && dpkg -x endless-sky-data_*.deb UNPACKED
    python data/fetch/photos.py UNPACKED data/photos

Keeps the photographs whose stanza in the package's copyright file places them in the public domain
through the Unsplash of before June 2017 (CC0 at the time) or as works of NASA or the USGS. The morgue-file ones
are left out (those terms were never a dedication to the public domain), and so are the CC-BY-SA ones.
Seventeen pictures carry an author's name in theirs (fields10-sfiera.jpg) and fall under two stanzas: the author's,
CC-BY-SA-4.0, and a later, wider pattern (fields1*) of the public-domain list. By the format's rule the later one
decides, and so they are here; by their names the authors are meant, and so ATTRIBUTION credits them under CC-BY-SA-4.0.

Files are copied unmodified; the split is by name (signaltok.data.split), so the folder is flat.
"""

import argparse
import fnmatch
import hashlib
import re
import shutil
from pathlib import Path

IMAGES = Path("usr/share/games/endless-sky/images/land")
COPYRIGHT = Path("usr/share/doc/endless-sky-data/copyright")
SOURCES = {"unsplash": "Unsplash", "nasa": "NASA", "usgs": "USGS"}


def stanzas(text: str) -> list[tuple[list[str], str]]:
    """[(file patterns, whole stanza)] of a machine-readable Debian copyright file, in its order."""
    result = []
    for block in re.split(r"\n\s*\n", text):
        match = re.match(r"Files:(.*?)\n(?=[A-Z][\w-]*:)", block + "\n", re.DOTALL)
        if match:
            result.append((match.group(1).split(), block))
    return result


def source_of(name: str, blocks: list[tuple[list[str], str]]) -> str | None:
    """The public-domain source of images/land/NAME, or None; the last matching stanza decides."""
    deciding = None
    for patterns, block in blocks:
        if any(fnmatch.fnmatch(f"images/land/{name}", pattern) for pattern in patterns):
            deciding = block
    if deciding is None or "License: public-domain" not in deciding:
        return None
    body = deciding[deciding.index("License:") :].lower()
    return next((label for word, label in SOURCES.items() if word in body), None)


def author_of(name: str, blocks: list[tuple[list[str], str]]) -> str | None:
    """Author and licence from the stanza that names the picture's author (pattern images/land/*-author*), or None."""
    for patterns, block in blocks:
        if any("/*-" in pattern and fnmatch.fnmatch(f"images/land/{name}", pattern) for pattern in patterns):
            fields = dict(
                line.split(": ", 1) for line in block.splitlines() if re.match(r"(Copyright|License): ", line)
            )
            return f"{fields['Copyright']}, {fields['License']}"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unpacked", type=Path, help="the folder dpkg -x wrote")
    parser.add_argument("out", type=Path, help="the folder to fill")
    arguments = parser.parse_args()
    blocks = stanzas((arguments.unpacked / COPYRIGHT).read_text())
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = []
    for path in sorted((arguments.unpacked / IMAGES).glob("*.jpg")):
        source = source_of(path.name, blocks)
        if source is None:
            continue
        shutil.copyfile(path, arguments.out / path.name)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        credit = author_of(path.name, blocks) or source
        lines.append(f"{path.name:32s} {digest}  {credit}")
    (arguments.out / "ATTRIBUTION").write_text(
        "Photographs from Endless Sky (Debian package endless-sky-data), all 720x360, unmodified.\n"
        "Public domain, donated through Unsplash while it was CC0 or works of NASA and the USGS, but for those with\n"
        "an author named below: Debian's copyright file lists them as both, so they are credited under CC-BY-SA-4.0.\n"
        "Made by data/fetch/photos.py. Columns: file, first 16 hexadecimal digits of its SHA-256, source or author.\n\n"
        + "\n".join(lines)
        + "\n"
    )


if __name__ == "__main__":
    main()
