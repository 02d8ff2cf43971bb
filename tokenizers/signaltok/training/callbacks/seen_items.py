"""A list of the items that codes were learned from: units cannot be made again without their seed and their sample."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from signaltok.training.run_module import RunModule
from signaltok.types.batch import Batch


class SeenItems(Callback):
    """Writes `path`: a line "batch TAB key TAB key ..." for each training batch from the share `start` of the run on.

    Of several processes each writes the items of its own share, those after the first to path with their rank before
    the suffix. A run that is gone on with drops the lines of batches that come again.
    """

    def __init__(self, *, path: str, start: float) -> None:
        if not 0 <= start < 1:
            raise ValueError(f"callbacks.seen_items.start is {start}; it is a share of the run, at least 0 and under 1")
        self.path, self.start = Path(path), start

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep what was written of the batches before this one."""
        assert isinstance(pl_module, RunModule), f"a {type(pl_module).__name__} does not count its batches"
        if trainer.global_rank:
            self.path = self.path.with_suffix(f".{trainer.global_rank}{self.path.suffix}")
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        kept = [line for line in lines if int(line.partition("\t")[0]) < pl_module.batches_seen]
        self.path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Add the items of this batch."""
        assert isinstance(pl_module, RunModule), f"a {type(pl_module).__name__} does not count its batches"
        number = pl_module.batches_seen - 1
        if number >= self.start * pl_module.max_steps * pl_module.batches_a_step:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\t".join([str(number), *batch.keys]) + "\n")
