"""metrics.csv: one row a step that logged something, one column a name; goes on where a resumed run goes on."""

import csv
import io
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from signaltok.files import write_text


class MetricsCSV(Logger):
    """Writes path, atomically, every flush_every rows and at the end.

    Rows of an earlier part of the run are kept up to the first step that is logged again.
    """

    def __init__(self, *, path: str, flush_every: int) -> None:
        super().__init__()
        if flush_every < 1:
            raise ValueError(f"logger.csv.flush_every is {flush_every}; give 1 or more")
        self.path = Path(path)
        self.flush_every = flush_every
        self._rows: dict[int, dict[str, str]] | None = None
        self._unsaved = 0

    @property
    def name(self) -> str:
        """Of the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """Runs are told apart by their folders."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *arguments: Any, **named: Any) -> None:
        """Not here: the run folder holds config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add values to the row of a step."""
        assert step is not None, f"{sorted(metrics)} were logged without a step"
        if self._rows is None:
            self._rows = {number: row for number, row in self._read().items() if number <= step}
        row = self._rows.setdefault(int(step), {})
        row.update({name: repr(float(value)) for name, value in metrics.items() if name != "epoch"})
        self._unsaved += 1
        if self._unsaved >= self.flush_every:
            self.save()

    @rank_zero_only
    def save(self) -> None:
        """Write all rows."""
        if not self._rows or not self._unsaved:
            return
        names = sorted({name for row in self._rows.values() for name in row})
        text = io.StringIO()
        writer = csv.DictWriter(text, ["step", *names], lineterminator="\n")
        writer.writeheader()
        for step in sorted(self._rows):
            writer.writerow({"step": step, **self._rows[step]})
        write_text(self.path, text.getvalue())
        self._unsaved = 0

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is not written."""
        self.save()

    def _read(self) -> dict[int, dict[str, str]]:
        if not self.path.is_file():
            return {}
        with self.path.open(newline="", encoding="utf-8") as file:
            return {
                int(row["step"]): {name: value for name, value in row.items() if name != "step" and value}
                for row in csv.DictReader(file)
            }
