"""Compare runs: one row a setting (mean ± standard deviation over its seeds), ranked, and a page with plots."""

import argparse
import re
from pathlib import Path

from rich.table import Table

from signaltok.cli.console import complain, fits, say
from signaltok.reports.comparison import Comparison, Setting, compare, direction, estimate_text, heading
from signaltok.reports.figures import figure
from signaltok.reports.found_runs import find_runs, read_run

ARROWS = {"more": "▼", "less": "▲"}  # of the column that the rows are ranked by: the best comes first

BREAKS = re.compile(r"([._])(?=[^\n])")  # where a key may go on in the next line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok compare` takes."""
    parser.add_argument(
        "places", type=Path, nargs="+", metavar="RUN_OR_SWEEP", help="runs, or folders that runs lie in"
    )
    parser.add_argument("--out", type=Path, metavar="PAGE.html", help="also write a page with table and plots")
    parser.add_argument("--metric", metavar="NAME", help="what to rank by (default: test or else val psnr or si_sdr)")
    parser.add_argument("--show-all", action="store_true", help="every figure: both splits, single levels, all times")
    parser.add_argument(
        "--unranked", action="store_true", help="in the given order, also where figures mean different things"
    )


def run(options: argparse.Namespace) -> int:
    """Print the table; write the page."""
    if options.unranked and options.metric:
        raise ValueError("--metric ranks and --unranked does not; give one of them")
    finished, unfinished, empty = find_runs(options.places)
    for place in empty:
        complain(f"no run lies in {place}")
    for folder in unfinished:
        complain(f"{folder} is not finished (no summary.json): left out")
    comparison = compare([read_run(folder) for folder in finished], metric=options.metric, ranked=not options.unranked)
    for older, newer in comparison.repeated:
        complain(f"{older} and {newer} have one setting and one seed: the earlier one is left out")
    for name in ("experiment", "data", "protocol"):
        say(f"{name:<10}  {comparison.shared[name]}")
    for difference in comparison.differences:
        say(f"not ranked  {difference}")
    if comparison.many_differ:
        say(to_table(comparison, everything=options.show_all, broken=False, keys=False))
        say(what_differs(comparison))
    else:
        table = to_table(comparison, everything=options.show_all, broken=False, keys=True)
        say(table if fits(table) else to_table(comparison, everything=options.show_all, broken=True, keys=True))
    if options.out is not None:
        # Here, as it imports matplotlib, which a table does without.
        from signaltok.reports.comparison_page import write_comparison

        say(f"page        {write_comparison(comparison, options.out, everything=options.show_all)}")
    return 0


def to_table(comparison: Comparison, *, everything: bool, broken: bool, keys: bool) -> Table:
    """One row a setting: keys that differ, number of seeds, figures. broken: keys over several lines.

    keys: False names each setting by its number and experiment, where too many keys differ for columns.
    """
    table = Table()
    if not keys:
        table.add_column("setting")
    for column in comparison.columns if keys else ():
        names = "\n".join(column)
        table.add_column(BREAKS.sub(r"\1\n", names) if broken else names, overflow="fold")
    table.add_column("n", justify="right")
    shown = comparison.keys(everything=everything)
    runs = [run for setting in comparison.settings for run in setting.runs]
    for key in shown:
        about = figure(key)
        arrow = f" {ARROWS[direction(key, runs)]}" if key == comparison.metric else ""
        unit = f"\n{about.unit}" if about.unit else ""
        table.add_column(f"{heading(key)}{arrow}{unit}", justify="right", overflow="fold")
    for number, setting in enumerate(comparison.settings, start=1):
        figures = (estimate_text(key, setting.estimate(key)) for key in shown)
        named = setting.cells if keys else (_name(number, setting),)
        table.add_row(*named, str(len(setting.runs)), *figures)
    return table


def what_differs(comparison: Comparison) -> Table:
    """One row a key in which settings differ, one column a setting."""
    table = Table(title="what differs", title_justify="left")
    table.add_column("key", overflow="fold")
    for number, setting in enumerate(comparison.settings, start=1):
        table.add_column(_name(number, setting), overflow="fold")
    for place, column in enumerate(comparison.columns):
        table.add_row("\n".join(column), *(setting.cells[place] for setting in comparison.settings))
    return table


def _name(number: int, setting: Setting) -> str:
    return f"{number} {setting.experiment}".strip()
