"""The progress bar: step of the run, loss, and the last validation."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar


class ProgressBar(RichProgressBar):
    """One bar over the whole run. refresh_rate: in steps. shown: logged names beside the bar."""

    def __init__(self, *, refresh_rate: int, shown: list[str]) -> None:
        super().__init__(refresh_rate=refresh_rate)
        self.shown = shown

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training"

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """The values that `shown` names, once they are there."""
        known = trainer.callback_metrics
        return {name: float(known[name]) for name in self.shown if name in known}
