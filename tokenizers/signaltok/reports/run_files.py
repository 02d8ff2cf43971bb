"""What a report reads of a run folder. Everything is optional; what is there and damaged is a clear error."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from signaltok.files import read_json

LEVELS = "levels.json"  # figures by the number of levels that are decoded
COUNT_NAME = re.compile(r"^(?:(test|val)\.)?counts\.(\d+)$")


@dataclass(frozen=True)
class Samples:
    """Pictures [n, c, h, w] uint8, as they were and as they came back, and the first level's codes.

    codes: [n, h, w], of sequences [n, tokens], or None.
    """

    originals: np.ndarray
    reconstructions: np.ndarray
    codes: np.ndarray | None


@dataclass(frozen=True)
class Curve:
    """One column of metrics.csv: name `<split>/<metric>`, the steps that have a value, and the values."""

    name: str
    steps: np.ndarray
    values: np.ndarray


def read_text(path: Path) -> str | None:
    """The text of a file; None where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def read_curves(path: Path) -> list[Curve]:
    """The columns of metrics.csv that have values, in the file's order; rows may be sparse and in any order."""
    if not path.is_file():
        return []
    points: dict[str, dict[int, float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if name and name not in ("step", "epoch") and text:
                    points.setdefault(name, {})[int(float(row["step"]))] = float(text)
    curves = []
    for name, values in points.items():
        steps = np.array(sorted(values))
        curves.append(Curve(name, steps, np.array([values[step] for step in steps])))
    return curves


def read_samples(path: Path) -> Samples | None:
    """samples.safetensors; None where there is none."""
    if not path.is_file():
        return None
    tensors = _tensors(path)
    if "originals" not in tensors or "reconstructions" not in tensors:
        raise ValueError(f"{path} has {sorted(tensors)}, but originals and reconstructions are needed")
    codes = tensors.get("codes.0")
    return Samples(tensors["originals"], tensors["reconstructions"], codes)


def read_counts(path: Path) -> tuple[str, list[np.ndarray]] | None:
    """The split and its counts a level: `counts.q`, or of test, or of val; None where there are none."""
    if not path.is_file():
        return None
    by_split: dict[str, dict[int, np.ndarray]] = {}
    for name, counts in _tensors(path).items():
        found = COUNT_NAME.match(name)
        if found:
            by_split.setdefault(found[1] or "", {})[int(found[2])] = counts
    for split in ("test", "val", ""):
        if split in by_split:
            return split, [by_split[split][level] for level in sorted(by_split[split])]
    return None


def read_levels(path: Path) -> tuple[str, dict[int, dict[str, float]]] | None:
    """The split, and number of levels that were decoded -> values; None where there is no such file."""
    content = read_json(path)
    if content is None:
        return None
    return str(content["split"]), {int(count): values for count, values in content["levels"].items()}


def _tensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
