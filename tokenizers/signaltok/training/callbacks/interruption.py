"""A run that is told to stop, by a signal or by the clock, saves after the step it is in and ends.

Nothing is lost: `run.resume` goes on from that step, and the run in two parts equals the unbroken one.
"""

import math
import signal
import time
from datetime import timedelta
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from signaltok.training.callbacks.checkpoints import LastCheckpoint, validation_follows
from signaltok.training.interrupted import EXIT_OF_SIGNAL, EXIT_OF_TIME, RunInterruptedError
from signaltok.training.run_module import RunModule


class Interruption(Checkpoint):  # Lightning calls checkpoints last: a stop comes after the best score is taken up
    """Listens to `signals` (names such as SIGTERM) and to `max_time` ("DD:HH:MM:SS", or None) of this process.

    With several processes all stop at the same step: they ask each other every `agree_every_n_steps` steps.
    """

    def __init__(self, *, signals: list[str], max_time: str | None, agree_every_n_steps: int) -> None:
        unknown = [name for name in signals if name not in signal.Signals.__members__]
        if unknown:
            raise ValueError(f"callbacks.interruption.signals has {', '.join(unknown)}; give names such as SIGTERM")
        if agree_every_n_steps < 1:
            raise ValueError(f"callbacks.interruption.agree_every_n_steps is {agree_every_n_steps}; give 1 or more")
        self.signals = [signal.Signals[name] for name in signals]
        self.seconds = math.inf if max_time is None else _seconds(max_time)
        self.agree_every_n_steps = agree_every_n_steps
        self._received = 0
        self._started = time.monotonic()
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen in the place of Lightning, which would end the run without a checkpoint."""
        self._started = time.monotonic()
        self._before = {number: signal.signal(number, self._note) for number in self.signals}

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Listen no more."""
        self._restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Listen no more: Lightning tears no callback down after an error."""
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and stop, where this step was told to be the last."""
        assert isinstance(pl_module, RunModule), f"a {type(pl_module).__name__} has no steps of several batches"
        batches = batch_idx + 1
        # The validation that follows a step belongs to its checkpoint: then the stop comes after it.
        if batches % pl_module.batches_a_step == 0 and not validation_follows(trainer, batches):
            self._stop_where_told(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The same after the validation of a step."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._stop_where_told(trainer, pl_module)

    def _stop_where_told(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.global_step == trainer.max_steps:
            return
        if trainer.world_size > 1 and trainer.global_step % self.agree_every_n_steps:
            return
        reason = self._agreed(trainer)
        if reason:
            self._save_and_stop(trainer, pl_module, reason)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    def _agreed(self, trainer: pl.Trainer) -> int:
        """The signal's number, -1 for the clock, 0 to go on; the same on all processes."""
        own = self._received or (-1 if time.monotonic() - self._started > self.seconds else 0)
        if trainer.world_size == 1:
            return own
        told = torch.tensor([max(own, 0), int(own < 0)], device=trainer.strategy.root_device)
        torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
        number, late = told.tolist()
        return number or -late

    def _save_and_stop(self, trainer: pl.Trainer, pl_module: pl.LightningModule, reason: int) -> None:
        last = next((callback for callback in trainer.callbacks if isinstance(callback, LastCheckpoint)), None)  # type: ignore[attr-defined]
        why = "trainer.max_time is over" if reason < 0 else f"received {signal.Signals(reason).name}"
        status = EXIT_OF_TIME if reason < 0 else EXIT_OF_SIGNAL + reason
        step = f"{trainer.global_step} of {trainer.max_steps} steps"
        if last is None:
            raise RunInterruptedError(f"{why} after {step}; nothing was saved: there is no LastCheckpoint", status)
        last.save(trainer, pl_module)
        raise RunInterruptedError(
            f"{why}; saved after {step}. Go on with: python train.py run.resume={last.path.parents[1]}", status
        )


def _seconds(text: str) -> float:
    try:
        days, hours, minutes, seconds = (int(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(f"trainer.max_time is {text!r}; write it as DD:HH:MM:SS") from None
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
