"""The seconds of training alone: validation, checkpoints and start-up are not in them."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback


class TrainingClock(Callback):
    """Runs from the first batch to the end of training, stops during validation, and survives a resume."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since: float | None = None

    def _stop(self) -> None:
        if self._since is not None:
            self.seconds += time.perf_counter() - self._since
            self._since = None

    def _start(self) -> None:
        if self._since is None:
            self._since = time.perf_counter()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start."""
        self._start()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop."""
        self._stop()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start again, where training goes on."""
        if trainer.state.fn == "fit":
            self._start()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop for good."""
        self._stop()

    def state_dict(self) -> dict[str, Any]:
        """Seconds so far."""
        running = 0.0 if self._since is None else time.perf_counter() - self._since
        return {"seconds": self.seconds + running}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the seconds of the resumed run."""
        self.seconds = state_dict["seconds"]
