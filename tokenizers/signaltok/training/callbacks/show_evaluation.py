"""Hands every validation to the loggers that can show it."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from signaltok.training.module import TokenizerModule
from signaltok.training.run_logger import run_loggers


class ShowEvaluation(Callback):
    """After a validation: its pictures and code counts, to each RunLogger; without one, nothing is done."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the module's last evaluation."""
        assert isinstance(pl_module, TokenizerModule), f"a run trains a TokenizerModule, got {type(pl_module)}"
        if trainer.sanity_checking or pl_module.last_evaluation is None:
            return
        split, evaluation = pl_module.last_evaluation
        for logger in run_loggers(trainer):
            logger.show_evaluation(split, evaluation, pl_module.steps_done)
