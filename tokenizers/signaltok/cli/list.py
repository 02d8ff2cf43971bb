"""Show the experiments and the parts that configs may name."""

import argparse
import importlib
import inspect
import pkgutil
from pathlib import Path

from rich.table import Table

import signaltok
from signaltok.cli.console import say
from signaltok.parts import Part

ROOMS = ("encoders", "quantizers", "decoders", "objectives", "adversaries", "metrics")
EXPERIMENTS = Path("configs") / "experiment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok list` takes: nothing."""
    del parser


def run(options: argparse.Namespace) -> int:
    """Print both tables."""
    del options
    folder = experiments_folder()
    if folder is None:
        say(f"no {EXPERIMENTS} here or beside the package; run this in the project's folder to see experiments")
    else:
        say(_experiments_table(folder))
    say(_parts_table())
    return 0


def read_notes(path: Path) -> dict[str, str]:
    """The `# name: text` lines at the top of an experiment's file."""
    notes: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, colon, text = line.removeprefix("#").partition(":")
        if line.startswith("#") and colon and name.strip().isidentifier():
            notes.setdefault(name.strip(), text.strip())
        elif line and not line.startswith("#"):
            break
    return notes


def find_parts(room: str) -> list[type[Part]]:
    """The concrete parts defined in a room, by name."""
    package = importlib.import_module(f"{signaltok.__name__}.{room}")
    found: set[type[Part]] = set()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for _, value in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            defined_here = value.__module__ == module.name and not value.__name__.startswith("_")
            if defined_here and issubclass(value, Part) and not inspect.isabstract(value):
                found.add(value)
    return sorted(found, key=lambda part: part.__name__)


def experiments_folder() -> Path | None:
    """configs/experiment beside an editable install, or where the command is called."""
    repository = Path(signaltok.__file__).resolve().parents[2]
    for root in (repository, Path.cwd()):
        if (root / EXPERIMENTS).is_dir():
            return root / EXPERIMENTS
    return None


def _experiments_table(folder: Path) -> Table:
    table = Table(title="experiments: python train.py experiment=NAME", title_justify="left")
    for column in ("name", "paper", "expected"):
        table.add_column(column, overflow="fold")
    for path in sorted(folder.rglob("*.yaml")):
        notes = read_notes(path)
        name = path.relative_to(folder).with_suffix("").as_posix()
        table.add_row(name, notes.get("paper", ""), notes.get("expected", ""))
    return table


def _parts_table() -> Table:
    table = Table(title="parts", title_justify="left")
    for column in ("room", "class", "what it is"):
        table.add_column(column, overflow="fold")
    for room in ROOMS:
        for number, part in enumerate(find_parts(room)):
            summary = inspect.cleandoc(part.__doc__ or "").partition("\n")[0]
            table.add_row("" if number else room, part.__name__, summary)
    return table
