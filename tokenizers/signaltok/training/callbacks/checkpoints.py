"""Two checkpoints of a run: the last, to go on from, and the best, to use. Both are written atomically.

Moments are chosen so that a run that goes on from `last` repeats nothing and leaves nothing out: where a validation
is due after a step, that step's checkpoint is written after it, with the best score in it. Loggers are flushed first,
so what the checkpoint has seen is on disk before it is.
"""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from signaltok.training.non_finite import check_weights
from signaltok.training.run_module import RunModule


def validation_follows(trainer: pl.Trainer, batches: int) -> bool:
    """Whether the validation is run after so many batches of the run."""
    every = trainer.val_check_batch
    assert every is not None, "the interval of the validation is given in batches"
    return trainer.enable_validation and batches % every == 0


class LastCheckpoint(Checkpoint):
    """Saves `path` every so many steps, at the end of the run, and when the run is told to stop."""

    def __init__(self, *, path: str, every_n_train_steps: int) -> None:
        if every_n_train_steps < 1:
            raise ValueError(f"callbacks.model_checkpoint.every_n_train_steps is {every_n_train_steps}; give 1 or more")
        self.path = Path(path)
        self.every_n_train_steps = every_n_train_steps

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where the step is due and no validation follows it."""
        assert isinstance(pl_module, RunModule), f"a {type(pl_module).__name__} has no steps of several batches"
        batches = batch_idx + 1
        stepped = batches % pl_module.batches_a_step == 0
        if stepped and self._due(trainer) and not validation_follows(trainer, batches):
            self.save(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after the validation of a step that is due."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking and self._due(trainer):
            self.save(trainer, pl_module)

    def save(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save now, between two steps. Raises ValueError, with the file as it was, where a weight is no number."""
        check_weights(pl_module, trainer.global_step, self.path)
        for logger in trainer.loggers:
            logger.save()
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
