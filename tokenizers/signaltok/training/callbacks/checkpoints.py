"""Checkpoints: the last, at every so many steps and at the end; the best by a metric."""

from typing import Any

import torch
from pytorch_lightning.callbacks import ModelCheckpoint


class LastCheckpoint(ModelCheckpoint):
    """last.ckpt, written over every every_n_train_steps steps and when training ends."""

    def __init__(self, *, dirpath: str, every_n_train_steps: int) -> None:
        super().__init__(
            dirpath=dirpath,
            filename="last",
            every_n_train_steps=every_n_train_steps,
            save_top_k=1,
            monitor=None,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save once more where the run does not end at a multiple of the period."""
        super().on_train_end(trainer, pl_module)
        if trainer.global_step != self._last_global_step_saved:
            self._save_topk_checkpoint(trainer, {"step": torch.tensor(trainer.global_step)})


class BestCheckpoint(ModelCheckpoint):
    """best.ckpt: the validation with the best value of monitor so far; mode: "max" or "min"."""

    def __init__(self, *, dirpath: str, monitor: str, mode: str) -> None:
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            enable_version_counter=False,
            save_on_train_epoch_end=False,
        )
