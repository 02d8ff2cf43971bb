"""The end of a run: evaluate the chosen weights, write counts, summary, samples and report, and show a table."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file

from signaltok.files import atomic_file
from signaltok.metrics.evaluation import evaluate
from signaltok.reports.page import write_report
from signaltok.reports.samples import save_samples
from signaltok.tokenizer import Tokenizer
from signaltok.training import run_folder
from signaltok.training.data_module import RunData

SHOWN = ("psnr", "ssim", "bits_per_pixel", "entropy_bits_per_pixel", "usage", "perplexity", "dead", "tokens")


def conclude(
    tokenizer: Tokenizer,
    data: RunData,
    *,
    folder: Path,
    metrics: dict[str, Any],
    splits: tuple[str, ...],
    figures: dict[str, float],
    report: bool,
) -> None:
    """Add `<split>/<name>` to figures for every split, write what the folder of a run holds, print the table.

    The counts of the last split go into code_counts.safetensors; samples are of the first.
    """
    for split in splits:
        found = evaluate(tokenizer, data.eval_batches(split), metrics=metrics)
        figures.update({f"{split}/{name}": float(value) for name, value in found.values.items()})
        if split == splits[-1] and found.counts:
            tensors = {f"counts.{level}": hits.contiguous() for level, hits in enumerate(found.counts)}
            with atomic_file(folder / run_folder.COUNTS) as temporary:
                save_file(tensors, temporary)
    run_folder.write_summary(folder, figures)
    if report:
        save_samples(tokenizer, next(iter(data.eval_batches(splits[0]))), folder)
        write_report(folder)
    show(figures, split=splits[0], folder=folder, report=report)


def show(figures: dict[str, float], *, split: str, folder: Path, report: bool) -> None:
    """The table that a run ends with, and where things lie."""
    table = Table(title=f"{split} split")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name in SHOWN:
        if f"{split}/{name}" in figures:
            table.add_row(name.replace("_", " "), f"{figures[f'{split}/{name}']:.4g}")
    if "train/seconds" in figures:
        table.add_row("seconds of training", f"{figures['train/seconds']:.1f}")
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"run     {folder}", highlight=False)
    if report:
        console.print(f"report  {folder / 'report.html'}", highlight=False)
