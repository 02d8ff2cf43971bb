"""What a training run costs beyond its arithmetic: the quickstart's step with everything around it, and without.

Without: the same tokenizer, objective, optimizer, batches and autocast in a plain loop, with gradient clipping and
averaged weights, which are part of the method. With: the run as `train.py` makes it: Lightning, callbacks, metrics.csv,
checkpoints. Validation is left out of both. They alternate in this process, a stretch of steps each; the median of the
rounds counts. The share of the time that the run waits for data is that between a step's end and the next batch.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from pytorch_lightning.callbacks import Callback

from signaltok.training.assemble import build_module, build_run_data, build_tokenizer, build_trainer
from signaltok.training.callbacks.weight_averaging import decay_after
from signaltok.training.config.build import build
from signaltok.training.config.resolve import plain, prepare
from signaltok.training.data_module import RunLoader

ROOT = Path(__file__).parents[1]
WARM_UP = 20  # steps before the clock starts


class Watch(Callback):
    """Seconds of the steps after the warm-up, and of the waiting for data among them."""

    def __init__(self) -> None:
        self.seconds = self.waited = 0.0
        self._end: float | None = None

    def on_train_batch_start(self, *_: Any) -> None:
        if self._end is not None:
            self.waited += time.perf_counter() - self._end

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        now = time.perf_counter()
        if batch_idx + 1 == WARM_UP:
            self._start = now
        if batch_idx + 1 >= WARM_UP:
            self._end = now
            self.seconds = now - self._start


def settings(folder: Path, steps: int) -> dict[str, Any]:
    prepare()
    overrides = [
        "experiment=quickstart", f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps + 1}",
        "trainer=cpu", f"paths.output_dir={folder}", f"paths.root_dir={ROOT}",
        "callbacks.best_checkpoint=null",
    ]  # fmt: skip
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return plain(compose("train", overrides))


def with_everything(folder: Path, steps: int) -> tuple[float, float]:
    """(seconds a step, share of them spent waiting for data)."""
    config = settings(folder, steps)
    pl.seed_everything(0, verbose=False)
    data = build_run_data(config, data=build(config["data"]))
    module = build_module(config, build_tokenizer(config), data)
    config["trainer"]["limit_val_batches"] = 0
    trainer, _ = build_trainer(config)
    watch = Watch()
    trainer.callbacks.append(watch)  # type: ignore[attr-defined]
    trainer.fit(module, datamodule=data)
    return watch.seconds / (steps - WARM_UP), watch.waited / watch.seconds


def bare(folder: Path, steps: int) -> float:
    """Seconds a step of the plain loop."""
    config = settings(folder, steps)
    pl.seed_everything(0, verbose=False)
    data = build_run_data(config, data=build(config["data"]))
    module = build_module(config, build_tokenizer(config), data)
    loader = data.data.train_loader(seed=0, num_batches=steps, start_batch=0, rank=0, world=1)
    optimizer = module.optimization.optimizer(module.parameters())
    weights = list(module.parameters())
    average = [weight.detach().clone() for weight in weights]
    module.train()
    start = 0.0
    for number, batch in enumerate(RunLoader(loader, num_batches=steps, start_batch=0, repeat=None)):
        module.tokenizer.quantizer.advance(number / steps)
        optimizer.param_groups[0]["lr"] = module.optimization.rate(number, steps)
        total, _ = module.objective(batch, module.reconstruct(batch))
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1 - decay_after(number, 0.999))
        if number + 1 == WARM_UP:
            start = time.perf_counter()
    return (time.perf_counter() - start) / (steps - WARM_UP)


def rounds(number: int, steps: int) -> Iterator[tuple[float, float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        for index in range(number):
            plain_step = bare(Path(folder) / f"bare{index}", steps)
            full_step, waited = with_everything(Path(folder) / f"full{index}", steps)
            yield plain_step, full_step, waited


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="speed.py training", description=__doc__)
    parser.add_argument(
        "--steps", type=int, default=500, help="of each stretch, 20 of them to warm up; one checkpoint every 500"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="the last line is a JSON list of the rows")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    found = list(rounds(options.rounds, options.steps))
    plain_step, full_step, waited = (statistics.median(column) for column in zip(*found, strict=True))
    ratio = statistics.median(full / plain for plain, full, _ in found)
    print(
        f"plain loop {1000 * plain_step:.2f} ms a step, the run {1000 * full_step:.2f} ms: ratio {ratio:.3f}; "
        f"{100 * waited:.2f} % of the run's time waits for data"
    )
    if options.json:
        row = {
            "bare_milliseconds": 1000 * plain_step,
            "milliseconds": 1000 * full_step,
            "ratio": ratio,
            "waiting_share": waited,
        }
        print(json.dumps([row]))
