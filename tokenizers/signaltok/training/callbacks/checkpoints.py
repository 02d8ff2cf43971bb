"""Two checkpoints of a run: the last, to go on from, and the best, to use. Both are written atomically."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint


class LastCheckpoint(Checkpoint):
    """Saves `path` every so many steps and at the end of the run."""

    def __init__(self, *, path: str, every_n_train_steps: int) -> None:
        if every_n_train_steps < 1:
            raise ValueError(f"callbacks.model_checkpoint.every_n_train_steps is {every_n_train_steps}; give 1 or more")
        self.path = Path(path)
        self.every_n_train_steps = every_n_train_steps

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where the step is due."""
        if self._due(trainer):
            trainer.save_checkpoint(self.path)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save again where a validation followed the step: the best score is part of the state."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking and self._due(trainer):
            trainer.save_checkpoint(self.path)

    def _due(self, trainer: pl.Trainer) -> bool:
        step = trainer.global_step
        return step % self.every_n_train_steps == 0 or step == trainer.max_steps


class BestCheckpoint(Checkpoint):
    """Saves `path` after every validation whose `monitor` is the best so far; mode "max" or "min"."""

    def __init__(self, *, path: str, monitor: str, mode: str) -> None:
        if mode not in ("max", "min"):
            raise ValueError(f"callbacks.best_checkpoint.mode is {mode!r}; it is max or min")
        self.path = Path(path)
        self.monitor = monitor
        self.mode = mode
        self.best: float | None = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save where this validation is the best."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if self.monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(name for name in trainer.callback_metrics if name.startswith("val/")))
            raise ValueError(f"callbacks.best_checkpoint.monitor is {self.monitor}, but validation gives {known}")
        value = float(trainer.callback_metrics[self.monitor])
        if self.best is None or (value > self.best if self.mode == "max" else value < self.best):
            self.best = value
            trainer.save_checkpoint(self.path)

    def state_dict(self) -> dict[str, Any]:
        """The best score so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the best score of the resumed run."""
        self.best = state_dict["best"]
