"""What our LightningModule with its metrics.csv costs a step, against the bare Trainer, on a tiny model.

The bare module computes the same tokenizer, objective and optimizer and nothing else: no counter, no schedule, no
checks, no metrics, no logger. Both run in this process in turns; the median of the rounds counts.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.objectives.objective import Objective
from signaltok.objectives.pixel import SquaredError
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.adversarial import GradientClip
from signaltok.training.metrics_csv import MetricsCSV
from signaltok.training.module import TokenizerModule
from signaltok.training.optimization import AdamWCosine
from signaltok.types.batch import Batch

LOG_EVERY = 50


def tokenizer() -> Tokenizer:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"axes": 2, "channels": 3, "stride": 4, "widths": [4], "depth": 0, "latent_dim": 2}
    return Tokenizer(
        encoder=ConvEncoder(**sizes),
        quantizer=FiniteScalarQuantizer(latent_dim=2, levels=[5, 5], estimator=StraightThrough()),
        decoder=ConvDecoder(**sizes),
        value_range=(-1.0, 1.0),
        block=64,
        sample_rate=None,
    )


def objective() -> Objective:
    return Objective(terms={"reconstruction": SquaredError()}, weights={"reconstruction": 1.0})


def optimization() -> AdamWCosine:
    return AdamWCosine(
        learning_rate=1e-3, betas=[0.9, 0.99], epsilon=1e-8, weight_decay=0.0, warmup=0.02,
        final_factor=0.02, autocast=None, channels_last=False,
    )  # fmt: skip


class Bare(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.tokenizer, self.objective = tokenizer(), objective()

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return self.objective(batch, self.tokenizer(batch.signal, batch.lengths))[0]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimization().optimizer(self.parameters())


class Ready(pl.LightningDataModule):
    """The same batches for both, already where they are needed (a Batch is frozen, so Lightning cannot move it)."""

    def __init__(self, batches: list[Batch]) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(self.batches, batch_size=None)  # type: ignore[arg-type]

    def transfer_batch_to_device(self, batch: Batch, device: Any, dataloader_idx: int) -> Batch:
        return batch


class Watch(pl.Callback):
    def on_train_start(self, *_: Any) -> None:
        self.start = time.perf_counter()

    def on_train_end(self, *_: Any) -> None:
        self.seconds = time.perf_counter() - self.start


def seconds(module: nn.Module, batches: list[Batch], logger: Any) -> float:
    watch = Watch()
    trainer = pl.Trainer(
        max_steps=len(batches), max_epochs=1, accelerator="cpu", devices=1, logger=logger, callbacks=[watch],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        log_every_n_steps=LOG_EVERY,
    )  # fmt: skip
    trainer.fit(module, datamodule=Ready(batches))  # type: ignore[arg-type]
    return watch.seconds


def ours(steps: int) -> TokenizerModule:
    return TokenizerModule(
        tokenizer=tokenizer(), objective=objective(), optimization=optimization(), metrics={},
        max_steps=steps, batches_a_step=1, adversary=None, balance=None, pictures_until=None,
        clip=GradientClip(value=None, algorithm="norm"), log_every_n_steps=LOG_EVERY, record={},
    )  # fmt: skip


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="speed.py logging", description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="the last line is a JSON list of the rows")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.manual_seed(0)
    batches = [Batch(signal=torch.rand(2, 3, 8, 8) * 2 - 1, keys=("a", "b")) for _ in range(options.steps)]
    bare, logged = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            bare.append(seconds(Bare(), batches, False))
            csv = MetricsCSV(path=str(Path(folder) / f"{number}.csv"), flush_every=1)
            logged.append(seconds(ours(options.steps), batches, csv))
    plain, full = (1000 * statistics.median(times) / options.steps for times in (bare, logged))
    print(f"bare Trainer {plain:.3f} ms a step, ours with metrics.csv {full:.3f} ms: ratio {full / plain:.3f}")
    if options.json:
        print(json.dumps([{"bare_milliseconds": plain, "milliseconds": full, "ratio": full / plain}]))
