"""What commands say: results on stdout, progress and complaints on stderr, lines never folded."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PIPED_WIDTH = 160  # columns where the output is not a terminal


def say(content: RenderableType) -> None:
    """A line or a table on stdout."""
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    console.print(content, soft_wrap=isinstance(content, str), markup=False, highlight=False)


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
