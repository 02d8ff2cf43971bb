"""What a run trains: its data, its module, and what it ends with. A run is the same around it, whatever it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import torch

from signaltok.training.config.schema import CHECKPOINTS
from signaltok.training.data_module import RunData
from signaltok.training.run_module import RunModule
from signaltok.training.start import last_checkpoint


class Described(Protocol):
    """What the record of a run says of its data."""

    def fingerprint(self) -> str:
        """A hash that changes when the data do."""
        ...

    def describe(self) -> dict[str, Any]:
        """Plain data."""
        ...


class Subject(ABC):
    """Built from checked settings and their data; ValueError where what the run ends with cannot come about."""

    module: RunModule
    run_data: RunData

    @abstractmethod
    def conclude(
        self, device: torch.device, *, folder: Path, figures: dict[str, float], started: float, writes: bool
    ) -> None:
        """Evaluate the chosen weights on device, add to figures, write what the folder of a run holds."""

    @abstractmethod
    def exporter(self, device: torch.device, folder: Path) -> Callable[[Path], Path] | None:
        """Writes the run's tokenizer to a new folder; None where it has none."""


def check_run(settings: dict[str, Any], known: Iterable[str]) -> None:
    """Raise ValueError where what the run ends with cannot come about; known: the names of its metrics."""
    known = list(known)
    name = settings["metric_for_sweep"]
    if name is not None and name not in known:
        raise ValueError(f"metric_for_sweep is {name}, but this run gives {', '.join(known)}")
    chosen = settings["run"]["checkpoint"]
    if chosen not in CHECKPOINTS:
        raise ValueError(f"run.checkpoint is {chosen!r}; it is one of {', '.join(CHECKPOINTS)}")
    best = (settings["callbacks"] or {}).get("best_checkpoint")
    if best is not None and best["monitor"] not in known:
        raise ValueError(
            f"callbacks.best_checkpoint.monitor is {best['monitor']}, but this run gives {', '.join(known)}"
        )


def chosen_checkpoint(settings: dict[str, Any]) -> Path | None:
    """The file that run.checkpoint means; None where the run keeps none."""
    name = settings["run"]["checkpoint"]
    node = (settings["callbacks"] or {}).get("best_checkpoint" if name == "best" else "model_checkpoint")
    return None if node is None else Path(node["path"])


def starts_anew(settings: dict[str, Any]) -> bool:
    """Whether the run begins now, and from weights that are there already."""
    resume = settings["run"]["resume"]
    return settings["run"]["init_from"] is not None and (resume is None or last_checkpoint(Path(resume)) is None)
