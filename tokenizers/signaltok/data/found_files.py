"""The files of a folder that end as asked, and the words about those that cannot be read."""

import os
from collections.abc import Iterator
from pathlib import Path

NAMED = 5  # files that cannot be read, beyond which they are counted only


def find_files(root: Path, suffixes: frozenset[str]) -> Iterator[str]:
    """Paths of files under root, relative to it; linked folders are followed, each folder once.

    Names that begin with a dot are passed over. ValueError where root is no folder.
    """
    if not root.exists():
        raise ValueError(f"there is no folder {root}; check data.root")
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; data.root is the folder that holds the files")
    seen: set[str] = set()
    for folder, below, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in names:
            if Path(name).suffix.lower() in suffixes and not name.startswith("."):
                yield (Path(folder) / name).relative_to(root).as_posix()


def left_out_words(reasons: dict[str, str]) -> str:
    """The first files with the reason of each, and how many more there are."""
    named = [f"{key} ({reason})" for key, reason in list(reasons.items())[:NAMED]]
    more = len(reasons) - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])])
