"""What commands say: results on stdout, progress and complaints on stderr, lines never folded."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PIPED_WIDTH = 160  # columns where the output is not a terminal, or as many more as a table needs


def say(content: RenderableType) -> None:
    """A line or a table on stdout."""
    console = Console(width=None if sys.stdout.isatty() else max(PIPED_WIDTH, width(content)))
    console.print(content, soft_wrap=isinstance(content, str), markup=False, highlight=False)


def width(content: RenderableType) -> int:
    """Columns that the content takes where nothing in it is folded."""
    console = Console(width=100_000)
    return Measurement.get(console, console.options, content).maximum


def fits(content: RenderableType) -> bool:
    """Whether stdout shows the content without folding it."""
    return not sys.stdout.isatty() or width(content) <= Console().width


def complain(text: str) -> None:
    """One line on stderr, after the name of the command."""
    sys.stderr.write(f"signaltok: {' '.join(text.split())}\n")


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Progress]:
    """A bar on stderr with one task, number 0."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        progress.add_task(title, total=total)
        yield progress
