"""The end of a run: evaluate the chosen weights, write counts, summary, samples and report, and show a table."""

import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from safetensors.torch import save

from signaltok.files import atomic_file
from signaltok.metrics.evaluation import AnyMetric, Evaluation, evaluate
from signaltok.parts import Alignment
from signaltok.reports.figures import RUN, columns, level_rows, summary_table
from signaltok.reports.page import write_report
from signaltok.reports.samples import save_samples
from signaltok.tokenizer import Tokenizer
from signaltok.training import run_folder
from signaltok.training.data_module import RunData


def conclude(
    tokenizer: Tokenizer,
    data: RunData,
    *,
    folder: Path,
    metrics: dict[str, AnyMetric],
    splits: tuple[str, ...],
    figures: dict[str, float],
    report: bool,
    started: float,
    writes: bool,
    tokens: int | None = None,
    levels: list[int] | None = None,
    alignment: Alignment | None = None,
) -> None:
    """Add `<split>/<name>` to figures for every split, write what the folder of a run holds, print the table.

    tokens: of a sequence, reconstruct from the first so many alone. levels: also from the first so many levels alone,
    of the first split; the table of it is written beside the summary.
    alignment: as for evaluate.
    With several processes each evaluates its share; writes: whether this is the one that writes and prints.

    The counts of the last split go into code_counts.safetensors, and those of the first under its name, which are what
    the report draws; samples are of the first. started: time.perf_counter
    at the start of the run.
    """
    found = {
        split: evaluate(tokenizer, data.eval_batches(split), metrics=metrics, tokens=tokens, alignment=alignment)
        for split in splits
    }
    curve = _by_levels(tokenizer, data, metrics=metrics, split=splits[0], levels=levels or [])
    for split, evaluation in found.items():
        figures.update({f"{split}/{name}": float(value) for name, value in evaluation.values.items()})
    if not writes:
        return
    _write_counts(folder, found)
    if report:
        save_samples(folder, found[splits[0]])
    figures["run/seconds"] = time.perf_counter() - started
    run_folder.write_summary(folder, figures)
    protocols = {f"{s}/{name}": text for s, found_in in found.items() for name, text in found_in.protocols.items()}
    run_folder.write_protocols(folder, protocols)
    if curve:
        run_folder.write_levels(folder, splits[0], curve)
    if report:
        write_report(folder)
    show(figures, protocols=protocols, folder=folder, report=report)
    if curve:
        show_levels(curve)


def show(figures: dict[str, float], *, protocols: dict[str, str], folder: Path, report: bool) -> None:
    """The table that a run ends with, how its figures came about where that is not plain, and where things lie."""
    named = [*columns(figures), RUN]
    table = Table()
    for name in ("figure", *named, "unit"):
        table.add_column(name, justify="right" if name in named else "left")
    for row in summary_table(figures):
        table.add_row(row.label, *(row.cells.get(name, "") for name in named), row.unit)
    console = Console(soft_wrap=True)
    console.print(table)
    for text in dict.fromkeys(protocols.values()):
        names = ", ".join(name for name, other in protocols.items() if other == text)
        console.print(f"{names}: {text}", highlight=False)
    console.print(f"run     {folder}", highlight=False)
    if report:
        console.print(f"report  {folder / 'report.html'}", highlight=False)


def show_levels(curve: dict[int, dict[str, float]]) -> None:
    """The figures of the first so many levels, a column a number of levels."""
    table = Table()
    table.add_column("levels")
    for count in curve:
        table.add_column(str(count), justify="right")
    table.add_column("unit")
    for label, unit, cells in level_rows(curve):
        table.add_row(label, *cells, unit)
    Console(soft_wrap=True).print(table)


def _by_levels(
    tokenizer: Tokenizer,
    data: RunData,
    *,
    metrics: dict[str, AnyMetric],
    split: str,
    levels: list[int],
) -> dict[int, dict[str, float]]:
    """Number of levels -> values."""
    curve = {}
    for count in levels:
        try:
            found = evaluate(tokenizer, data.eval_batches(split), metrics=metrics, levels=count)
        except ValueError as error:
            raise ValueError(f"run.levels has {count}: {error}") from None
        curve[count] = {name: float(value) for name, value in found.values.items()}
    return curve


def _write_counts(folder: Path, found: dict[str, Evaluation]) -> None:
    first, last = next(iter(found)), next(reversed(found))
    if not found[last].counts:
        return
    tensors = {f"counts.{level}": hits.contiguous() for level, hits in enumerate(found[last].counts)}
    tensors |= {f"{first}.counts.{level}": hits.contiguous().clone() for level, hits in enumerate(found[first].counts)}
    with atomic_file(folder / run_folder.COUNTS) as temporary:
        temporary.write_bytes(save(tensors))
