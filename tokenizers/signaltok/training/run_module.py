"""What every run's module has, whatever it trains: the batch counter, its rates, its log, and what a resume needs."""

import random
from typing import Any

import pytorch_lightning as pl
import torch

from signaltok.training.log_window import LogWindow
from signaltok.training.optimization import AdamWCosine


class RunModule(pl.LightningModule):
    """A module of a run that is bounded by steps.

    batches_seen counts the batches of the whole run, resumed or not (batches_a_step to one step of the optimizer);
    progress, learning rate and the order of the data follow from it. last_values: by name, as they were logged last.
    record: plain data about the run that goes into every checkpoint.
    """

    def __init__(
        self,
        *,
        optimization: AdamWCosine,
        max_steps: int,
        batches_a_step: int,
        log_every_n_steps: int,
        record: dict[str, Any],
        codebook_sizes: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.optimization = optimization
        self.max_steps = max_steps
        self.batches_a_step = batches_a_step
        self.log_every_n_steps = log_every_n_steps
        self.record = record
        self.batches_seen = 0
        self.last_values: dict[str, float] = {}
        self.window = LogWindow(codebook_sizes)
        self._random_state: dict[str, Any] | None = None

    @property
    def steps_done(self) -> int:
        """Steps of the optimizer that the batches seen amount to."""
        return self.batches_seen // self.batches_a_step

    def on_train_start(self) -> None:
        """Go on with the random numbers of the run that is resumed."""
        if self._random_state is not None:
            _set_random_state(self._random_state)
            self._random_state = None

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate of this step."""
        rate = self.optimization.rate(self.steps_done, self.max_steps)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a resume needs: plain data alone."""
        checkpoint["batches_seen"] = self.batches_seen
        checkpoint["last_values"] = self.last_values
        checkpoint["log_window"] = self.window.state_dict()
        checkpoint["random_state"] = _random_state()
        checkpoint["run"] = self.record

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up counter, logging window and random numbers."""
        self.batches_seen = checkpoint["batches_seen"]
        self.last_values = checkpoint["last_values"]
        self.window.load_state_dict(checkpoint["log_window"])
        self._random_state = checkpoint["random_state"]

    def log_window_if_due(self) -> None:
        """Hand the window over to the loggers once every so many steps."""
        if self.batches_seen % (self.log_every_n_steps * self.batches_a_step):
            return
        values = {f"train/{name}": value for name, value in self.window.hand_over().items()}
        values["train/learning_rate"] = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log_values(values)

    def log_values(self, values: dict[str, float]) -> None:
        """Straight to the loggers: a checkpoint of this step must find them complete. Equal on all processes."""
        self.last_values.update(values)
        for logger in self.trainer.loggers:
            logger.log_metrics(values, step=self.steps_done)
        self.log_dict(values, logger=False, batch_size=1, sync_dist=self.trainer.world_size > 1)


def _random_state() -> dict[str, Any]:
    """The states of torch's and Python's generators as plain data."""
    state: dict[str, Any] = {"torch": torch.get_rng_state(), "python": random.getstate()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
