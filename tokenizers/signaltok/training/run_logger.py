"""Loggers that show more of a run than numbers: its settings, pictures, use of the codes, and its tokenizer."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from signaltok.metrics.evaluation import Evaluation

MOST_BINS = 512


class RunLogger(ABC):
    """What a run tells such a logger, in this order; every method acts in the first process alone."""

    @abstractmethod
    def connect(self) -> None:
        """Reach the place that is logged to, before the run folder is begun. Raises ValueError where it cannot."""

    @abstractmethod
    def begin(self, settings: dict[str, Any], provenance: dict[str, Any]) -> None:
        """The plain settings of the run, and what its provenance.json holds."""

    @abstractmethod
    def show_evaluation(self, split: str, evaluation: Evaluation, step: int) -> None:
        """Pictures and code counts of an evaluation after `step` steps; the values are logged as metrics."""

    @abstractmethod
    def conclude(self, figures: dict[str, float], export: Callable[[Path], Path] | None) -> None:
        """The figures of summary.json. export writes the run's tokenizer as a new folder at the path it is given; None
        where it trained none.
        """


def run_loggers(trainer: pl.Trainer) -> list[RunLogger]:
    """Those of the trainer's loggers."""
    return [logger for logger in trainer.loggers if isinstance(logger, RunLogger)]


def count_histograms(split: str, counts: tuple[Tensor, ...]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two histograms a level: hits by code, and by rank, the most used code first.

    counts: int64 [K] a level. By name (`val/code_counts_0`, `val/sorted_counts_0`): the hits [n] and the edges
    [n + 1], n = min(K, 512); neighbours share a bin where there are more codes than that.
    """
    found = {}
    for level, hits in enumerate(counts):
        values = hits.numpy()
        edges = np.linspace(0, len(values), min(len(values), MOST_BINS) + 1).round().astype(np.int64)
        for name, ordered in (("code_counts", values), ("sorted_counts", np.sort(values)[::-1])):
            found[f"{split}/{name}_{level}"] = (np.add.reduceat(ordered, edges[:-1]), edges)
    return found
