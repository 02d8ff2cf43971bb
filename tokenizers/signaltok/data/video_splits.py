"""How the videos of a folder are split: by name, by folder, by the lists of a set, or one long film by time."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from signaltok.data.split import SPLITS, Split, bucket_of, split_of

RULES = {
    "hash": "MD5 of the key modulo 10: 0 test, 1 val, the rest train",
    "time": "by the seconds that splits.tsv gives each split",
    "folders": "by the folder below root: train, val or test, as torchvision lays Kinetics out",
    "ucf101": "by trainlist01.txt and testlist01.txt in root; of the training groups a tenth, by MD5, is val",
    "all": "all: EVERY FILE IS IN EVERY SPLIT, so val and test figures are figures on training files",
}
TABLE = "splits.tsv"


class Stretch(NamedTuple):
    """A line of the table: these seconds of this file belong to this split. where: the line, in words."""

    where: str
    file: str
    first: Fraction
    last: Fraction
    split: Split


def split_names(root: Path, names: Sequence[str], rule: str) -> dict[Split, list[str]]:
    """The names of each split, by any rule but that of time. ValueError where the rule does not fit the folder."""
    if rule == "folders":
        return {split: [name for name in names if name.startswith(f"{split}/")] for split in SPLITS}
    if rule == "ucf101":
        return _of_lists(root, names)
    return {split: [name for name in names if rule == "all" or split_of(name) == split] for split in SPLITS}


def _of_lists(root: Path, names: Sequence[str]) -> dict[Split, list[str]]:
    """UCF101's first split. Clips of one group are cut from one video, so a group is on one side."""
    there, found = set(names), {}
    for kind in ("train", "test"):
        path = root / f"{kind}list01.txt"
        if not path.is_file():
            raise ValueError(f"there is no {path}, which data.split=ucf101 splits by; it is in UCF101's annotations")
        found[kind] = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        missing = [name for name in found[kind] if name not in there]
        if missing:
            raise ValueError(f"{len(missing)} files that {path} names are not in {root}, such as {missing[0]}")
    val = [name for name in found["train"] if bucket_of(name.rpartition("_c")[0], 10) == 0]
    kept = set(val)
    return {"train": [name for name in found["train"] if name not in kept], "val": val, "test": found["test"]}


def stretches(root: Path) -> Iterator[Stretch]:
    """The lines of splits.tsv in root: file, first second, last second and split, with tabs between."""
    table = root / TABLE
    if not table.is_file():
        raise ValueError(f"there is no {table}, which data.split=time splits by; give it, or data.split=hash")
    for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), 1):
        where, cells = f"line {number} of {table}", line.split("\t")
        split: Split | None = next((known for known in SPLITS if cells[3:] == [known]), None)
        if split is None:
            raise ValueError(
                f"{where} is {line[:60]!r}; it must be file, first second, last second and one of {', '.join(SPLITS)}, "
                "with tabs between"
            )
        try:
            first, last = Fraction(cells[1]), Fraction(cells[2])
        except ValueError:
            raise ValueError(f"{where}: {cells[1]!r} and {cells[2]!r} are to be seconds") from None
        if not 0 <= first < last:
            raise ValueError(f"{where}: {cells[1]} to {cells[2]} is no stretch of time")
        yield Stretch(where, cells[0], first, last, split)
