"""Repeat a training run from its stored config into a new folder, and hold every figure against the old one."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from signaltok.cli.console import complain, say

if TYPE_CHECKING:
    from signaltok.training.rerun import Repetition

NOT_THERE = "–"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok rerun` takes."""
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished training run")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="a new folder (default beside the others, named after the time)"
    )
    parser.add_argument("--other-data", action="store_true", help="train also where the data are not the same any more")


def run(options: argparse.Namespace) -> int:
    """Train again and compare: 0 where every figure is equal to every digit, 1 where one is not."""
    # Here, as they import Lightning: --help answers at once.
    from signaltok.training.entry import prepare
    from signaltok.training.rerun import rerun

    prepare()
    command = ["signaltok", "rerun", str(options.run)]
    command += [] if options.out is None else ["--out", str(options.out)]
    command += ["--other-data"] if options.other_data else []
    repetition = rerun(
        options.run,
        out=options.out,
        other_data=options.other_data,
        command=command,
        warn=lambda text: complain(f"warning: {text}"),
    )
    say(to_table(repetition))
    for difference in repetition.provenance:
        say(f"differs    {difference}")
    different = repetition.different
    if not repetition.figures:
        raise ValueError(f"{options.run} has no figure of test or val, so nothing shows whether the run was repeated")
    if different:
        say(f"different  {', '.join(different)}")
        return 1
    say(f"equal to every digit: {len(repetition.figures)} figures of {repetition.old} and {repetition.new}")
    return 0


def to_table(repetition: "Repetition") -> Table:
    """Every compared figure, old and new in full, and their difference."""
    table = Table()
    table.add_column("figure")
    for name in ("old", "new", "difference"):
        table.add_column(name, justify="right")
    for name, (old, new) in repetition.figures.items():
        if old is None or new is None:
            difference = NOT_THERE
        else:
            difference = f"{new - old:+.3g}" if name in repetition.different else "0"
        table.add_row(name, *(NOT_THERE if value is None else repr(value) for value in (old, new)), difference)
    return table
