"""A training run from composed config to summary: check, build, train or go on, evaluate, report."""

import logging
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig

from signaltok.data.signal_data import SignalData
from signaltok.files import remove_partial
from signaltok.language.token_data import TokenData
from signaltok.training import run_folder
from signaltok.training.assemble import build_data, build_trainer
from signaltok.training.callbacks.clock import TrainingClock
from signaltok.training.config.check import check, check_kind
from signaltok.training.config.identity import config_hash
from signaltok.training.config.resolve import moved, plain, stored
from signaltok.training.config.schema import TrainConfig
from signaltok.training.config.show import show_config
from signaltok.training.language_run import LanguageRun
from signaltok.training.provenance import changes, collect, command_line, now
from signaltok.training.run_logger import run_loggers
from signaltok.training.run_module import RunModule
from signaltok.training.start import last_checkpoint
from signaltok.training.subject import Described
from signaltok.training.tokenizer_run import TokenizerRun

# Task names whose runs outputs/latest does not follow.
UNLINKED = frozenset({"debug", "test"})


def train(config: DictConfig, *, command: list[str], overrides: list[str]) -> float | None:
    """Train as composed, or go on with run.resume; the value of metric_for_sweep, where one is asked for.

    Raises ValueError, before anything is built, where a key is misspelt or a value does not fit.
    """
    check_kind(config)
    settings = plain(config)
    resume = settings["run"]["resume"]
    if resume is not None:
        settings = resumed_settings(Path(resume), overrides)
    check(settings, TrainConfig)
    if settings["print_config"]:
        show_config(settings)
    values = run(settings, command=command, overrides=overrides)
    name = settings["metric_for_sweep"]
    return None if name is None else values[name]


def run(
    settings: dict[str, Any],
    *,
    command: list[str],
    overrides: list[str],
    repeats: str | None = None,
    data: SignalData | TokenData | None = None,
) -> dict[str, float]:
    """Everything after the checks; the figures of the summary.

    repeats: the folder of the run that this one repeats. data: those of the settings, where they are built already.
    """
    started = time.perf_counter()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # its advice; importing it sets INFO
    folder = Path(settings["paths"]["output_dir"])
    pl.seed_everything(settings["seed"], workers=True, verbose=False)
    data = build_data(settings) if data is None else data
    subject = LanguageRun(settings, data) if isinstance(data, TokenData) else TokenizerRun(settings, data)
    trainer, clock = build_trainer(settings)
    loggers = run_loggers(trainer) if trainer.is_global_zero else []
    for logger in loggers:
        logger.connect()
    if trainer.is_global_zero:
        _begin_folder(settings, folder, data, command=command, overrides=overrides, repeats=repeats)
    for logger in loggers:
        logger.begin(settings, run_folder.read_provenance(folder))
    checkpoint = None if settings["run"]["resume"] is None else last_checkpoint(folder)
    pl.seed_everything(settings["seed"], workers=True, verbose=False)
    trainer.fit(subject.module, datamodule=subject.run_data, ckpt_path=checkpoint, weights_only=True)
    figures = _figures(subject.module, clock)
    device = trainer.strategy.root_device  # the module itself is back on the processor
    if settings["run"]["evaluate"]:
        subject.conclude(device, folder=folder, figures=figures, started=started, writes=trainer.is_global_zero)
    elif trainer.is_global_zero:
        figures["run/seconds"] = time.perf_counter() - started
        run_folder.write_summary(folder, figures)
    for logger in loggers:
        logger.conclude(figures, subject.exporter(device, folder))
    return figures


def resumed_settings(folder: Path, overrides: list[str]) -> dict[str, Any]:
    """The stored settings of a run, at the place where its folder is now."""
    surplus = [override for override in overrides if not override.startswith("run.resume=")]
    if surplus:
        raise ValueError(
            f"run.resume goes on with the run as it was; leave out {', '.join(surplus)}, or start a new run with "
            f"run.init_from={folder}"
        )
    last_checkpoint(folder)
    settings = settings_at(folder, folder.resolve())
    settings["run"] = {**settings["run"], "resume": str(folder.resolve())}
    return settings


def settings_at(folder: Path, place: Path) -> dict[str, Any]:
    """The stored settings of a run with everything of its folder at another place."""
    settings = stored(folder)
    return moved(settings, settings["paths"]["output_dir"], str(place))


def _begin_folder(
    settings: dict[str, Any],
    folder: Path,
    data: Described,
    *,
    command: list[str],
    overrides: list[str],
    repeats: str | None,
) -> None:
    fingerprint = data.fingerprint()
    if settings["run"]["resume"] is None:
        provenance = collect(
            command=command,
            overrides=overrides,
            seed=settings["seed"],
            data={**data.describe(), "fingerprint": fingerprint},
            config_hash=config_hash(settings),
        )
        if repeats is not None:
            provenance["repeats"] = repeats
        run_folder.open_new(folder, settings, overrides, provenance, changes())
    else:
        for place in (folder, folder / run_folder.CHECKPOINTS):
            remove_partial(place)
        run_folder.note_resume(folder, {"command": command_line(command), "started": now()}, fingerprint)
    if settings["task_name"] not in UNLINKED:
        run_folder.point_latest(Path(settings["paths"]["log_dir"]), folder)


def _figures(module: RunModule, clock: TrainingClock) -> dict[str, float]:
    """What training itself gives: its seconds and steps, and the last values that were logged."""
    return {**module.last_values, "train/seconds": clock.seconds, "train/steps": float(module.steps_done)}
