"""Emoji: a sheet of drawings and a table of their names, as data/fetch/emoji.py writes them.

An emoji is one item: its drawing, its name and keywords as words, its category as label. The split is by base concept,
which gendered forms share: bucket 0 of ten of the concept's name is test, all others are train. Concepts are few, so
val is taken out of train and not away from it: it says how far training has come and nothing about unseen concepts.
"""

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from signaltok.data.read_image import read_pixels
from signaltok.data.source import PictureSource, digest
from signaltok.data.split import SPLITS, Split, bucket_of

CELL, BORDER = 66, 1  # pixels of the sheet
SIDE = CELL - 2 * BORDER
SHEET, NAMES = "sheet.png", "names.tsv"
COLUMNS = ("code", "name", "short_names", "tags", "category", "subcategory", "x", "y", "concept", "tones")
Place = tuple[int, int]


@dataclass(frozen=True)
class Emoji:
    """A row of the table; places are (column, row) of the sheet, tones those of the drawing in other skin tones."""

    code: str
    words: tuple[str, ...]
    category: str
    concept: str
    place: Place
    tones: tuple[Place, ...]


class EmojiSource(PictureSource):
    """The emoji of a folder with sheet.png and names.tsv. Raises ValueError where they are missing or damaged."""

    def __init__(self, *, root: str) -> None:
        self.root = Path(root)
        for name in (SHEET, NAMES):
            if not (self.root / name).is_file():
                raise ValueError(
                    f"there is no {name} in data.root={root}; data/emoji has one, and data/fetch/emoji.py makes others"
                )
        self._emoji = {emoji.code: emoji for emoji in _read(self.root / NAMES)}
        self._sheet = _decoded(self.root / SHEET, (self.root / SHEET).stat().st_mtime_ns)
        self.categories = tuple(sorted({emoji.category for emoji in self._emoji.values()}))
        self._check_places()

    def keys(self, split: Split) -> tuple[str, ...]:
        """Codes such as 1F600 in the table's order; see the module for the splits."""
        buckets = {code: bucket_of(emoji.concept, 10) for code, emoji in self._emoji.items()}
        chosen = {"test": {0}, "val": {1}, "train": set(range(1, 10))}[split]
        found = tuple(code for code, bucket in buckets.items() if bucket in chosen)
        if not found:
            raise ValueError(f"none of the {len(buckets)} emoji of {self.root / NAMES} is in the {split} split")
        return found

    def pixels(self, key: str) -> UInt8[Tensor, "3 64 64"]:
        """The drawing over white."""
        return self.drawing(self._emoji[key].place)

    def drawing(self, place: Place) -> UInt8[Tensor, "3 64 64"]:
        """What the sheet has at a place."""
        left, top = (CELL * number + BORDER for number in place)
        return self._sheet[:, top : top + SIDE, left : left + SIDE]

    def tones(self, key: str) -> tuple[Place, ...]:
        """Where the drawing is, first as it is and then in each skin tone."""
        emoji = self._emoji[key]
        return (emoji.place, *emoji.tones)

    def words(self, key: str) -> tuple[str, ...]:
        """The words of the name, then those of the keywords, in small letters, each once."""
        return self._emoji[key].words

    def concept(self, key: str) -> str:
        """The name of the base concept."""
        return self._emoji[key].concept

    def dimensions(self, key: str) -> tuple[int, int]:  # noqa: ARG002
        """Both sides."""
        return SIDE, SIDE

    def label(self, key: str) -> int:
        """The number of its category in `categories`."""
        return self.categories.index(self._emoji[key].category)

    def fingerprint(self) -> str:
        """Over both files."""
        return f"contents:{digest((self.root / name).read_bytes() for name in (SHEET, NAMES))}"

    def describe(self) -> dict[str, Any]:
        """Name, root, split rule and number of emoji of each split."""
        return {
            "name": "emoji",
            "root": str(self.root),
            "split_rule": "by the MD5 of the concept's name: a tenth test, the rest train; val is a ninth of train",
            "pictures": {name: len(self.keys(name)) for name in SPLITS},
        }

    def _check_places(self) -> None:
        rows, columns = (extent // CELL for extent in self._sheet.shape[1:])
        for emoji in self._emoji.values():
            for x, y in (emoji.place, *emoji.tones):
                if not (0 <= x < columns and 0 <= y < rows):
                    raise ValueError(
                        f"{self.root / NAMES} has {emoji.code} at ({x}, {y}), outside the {columns} x {rows} cells of "
                        f"{SHEET}; the two are not of one package: make them again with data/fetch/emoji.py"
                    )


@lru_cache(maxsize=2)
def _decoded(path: Path, changed: int) -> UInt8[Tensor, "3 h w"]:  # noqa: ARG001
    """The sheet, which takes a second or two to decode and is the same for all that read it; changed: when it was."""
    return read_pixels(path)


def _read(path: Path) -> list[Emoji]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} has the columns {reader.fieldnames}, expected {list(COLUMNS)}")
        found = []
        for row in reader:
            if None in row.values():
                raise ValueError(f"line {reader.line_num} of {path} has fewer columns than its first line")
            found.append(_emoji(row))
    if not found:
        raise ValueError(f"{path} names no emoji")
    return found


def _emoji(row: dict[str, str]) -> Emoji:
    texts = (row["name"], row["tags"], row["short_names"].replace("_", " "))
    words = " ".join(texts).lower().replace(",", " ").replace(":", " ").split()
    tones = tuple(_place(*text.split(",")) for text in row["tones"].split())
    return Emoji(
        code=row["code"],
        words=tuple(dict.fromkeys(words)),
        category=row["category"],
        concept=row["concept"],
        place=_place(row["x"], row["y"]),
        tones=tones,
    )


def _place(x: str, y: str) -> Place:
    return int(x), int(y)


def chosen_words(words: tuple[str, ...], least: float) -> str:
    """A random share, from least to 1, of the words in their order, at least one; drawn by torch's generator."""
    share = least + (1 - least) * float(torch.rand(()))
    count = max(1, round(share * len(words)))
    kept = torch.randperm(len(words))[:count].sort().values.tolist()
    return " ".join(words[number] for number in kept)
