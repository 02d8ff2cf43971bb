"""A training run from composed config to summary: check, build, train or go on, evaluate, report."""

import logging
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from signaltok.data.signal_data import SignalData
from signaltok.files import remove_partial
from signaltok.parts import Alignment
from signaltok.training import run_folder
from signaltok.training.assemble import (
    build_module,
    build_run_data,
    build_tokenizer,
    build_trainer,
    known_metrics,
)
from signaltok.training.callbacks.clock import TrainingClock
from signaltok.training.config.build import build, build_each
from signaltok.training.config.check import check
from signaltok.training.config.identity import config_hash
from signaltok.training.config.resolve import moved, plain, stored
from signaltok.training.config.schema import CHECKPOINTS, TrainConfig
from signaltok.training.config.show import show_config
from signaltok.training.export import write_run
from signaltok.training.figures import conclude
from signaltok.training.module import TokenizerModule
from signaltok.training.provenance import changes, collect, command_line, now
from signaltok.training.run_logger import run_loggers
from signaltok.training.start import alignment_of, from_checkpoint, last_checkpoint, take_weights

# Task names whose runs outputs/latest does not follow.
UNLINKED = frozenset({"debug", "test"})


def train(config: DictConfig, *, command: list[str], overrides: list[str]) -> float | None:
    """Train as composed, or go on with run.resume; the value of metric_for_sweep, where one is asked for.

    Raises ValueError, before anything is built, where a key is misspelt or a value does not fit.
    """
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
    data: SignalData | None = None,
) -> dict[str, float]:
    """Everything after the checks; the figures of the summary.

    repeats: the folder of the run that this one repeats. data: those of the settings, where they are built already.
    """
    started = time.perf_counter()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # its advice; importing it sets INFO
    folder = Path(settings["paths"]["output_dir"])
    pl.seed_everything(settings["seed"], workers=True, verbose=False)
    data = build(settings["data"]) if data is None else data
    if not isinstance(data, SignalData):
        raise ValueError(f"data._target_ is {settings['data']['_target_']}, which gives no signals")
    tokenizer = build_tokenizer(settings)
    check_run(settings, known_metrics(settings, tokenizer))
    if _starts_anew(settings):
        take_weights(tokenizer, Path(settings["run"]["init_from"]), settings["run"]["checkpoint"])
    run_data = build_run_data(settings, data=data)
    module = build_module(settings, tokenizer, run_data)
    if _starts_anew(settings):
        module.start_from(Path(settings["run"]["init_from"]))
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
    trainer.fit(module, datamodule=run_data, ckpt_path=checkpoint, weights_only=True)
    figures = _figures(module, clock)
    device = trainer.strategy.root_device  # the module itself is back on the processor
    if settings["run"]["evaluate"]:
        conclude(
            _chosen(settings, module, device),
            run_data,
            folder=folder,
            metrics=build_each(settings["metrics"]),
            splits=("test", "val"),
            figures=figures,
            report=settings["run"]["report"],
            started=started,
            writes=trainer.is_global_zero,
            alignment=_chosen_alignment(settings, module, device),
        )
    elif trainer.is_global_zero:
        figures["run/seconds"] = time.perf_counter() - started
        run_folder.write_summary(folder, figures)
    name = settings["run"]["checkpoint"]
    for logger in loggers:
        logger.conclude(figures, lambda out: write_run(_chosen(settings, module, device), folder, out, checkpoint=name))
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


def check_run(settings: dict[str, Any], known: list[str]) -> None:
    """Raise ValueError where what the run ends with cannot come about; known: the names of its metrics."""
    name = settings["metric_for_sweep"]
    if name is not None and name not in known:
        raise ValueError(f"metric_for_sweep is {name}, but this run gives {', '.join(known)}")
    chosen = settings["run"]["checkpoint"]
    if chosen not in CHECKPOINTS:
        raise ValueError(f"run.checkpoint is {chosen!r}; it is one of {', '.join(CHECKPOINTS)}")
    best = (settings["callbacks"] or {}).get("best_checkpoint")
    if best is not None and best["monitor"] not in known:
        raise ValueError(
            f"callbacks.best_checkpoint.monitor is {best['monitor']}, but this run gives {', '.join(known)}"
        )


def _starts_anew(settings: dict[str, Any]) -> bool:
    """Whether the run begins now, and from weights that are there already."""
    resume = settings["run"]["resume"]
    return settings["run"]["init_from"] is not None and (resume is None or last_checkpoint(Path(resume)) is None)


def _begin_folder(
    settings: dict[str, Any],
    folder: Path,
    data: SignalData,
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


def _figures(module: TokenizerModule, clock: TrainingClock) -> dict[str, float]:
    """What training itself gives: its seconds and steps, and the last values that were logged."""
    return {**module.last_values, "train/seconds": clock.seconds, "train/steps": float(module.steps_done)}


def _chosen(settings: dict[str, Any], module: TokenizerModule, device: torch.device) -> Any:
    """The tokenizer to evaluate: from the chosen checkpoint; without checkpoints, as training left it."""
    path = _chosen_checkpoint(settings)
    return (module.tokenizer.eval() if path is None else from_checkpoint(path)).to(device)


def _chosen_alignment(settings: dict[str, Any], module: TokenizerModule, device: torch.device) -> Alignment | None:
    """The alignment that goes with the chosen tokenizer, None without."""
    path = _chosen_checkpoint(settings)
    alignment = module.objective.alignment if path is None else alignment_of(path)
    return None if alignment is None else alignment.to(device)


def _chosen_checkpoint(settings: dict[str, Any]) -> Path | None:
    name = settings["run"]["checkpoint"]
    node = (settings["callbacks"] or {}).get("best_checkpoint" if name == "best" else "model_checkpoint")
    return None if node is None else Path(node["path"])
