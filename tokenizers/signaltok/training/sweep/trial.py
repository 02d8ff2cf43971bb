"""One trial of a sweep is one process tree: `train.py` again, with this trial's values, in its folder of the sweep.

State that a process keeps (seeds, memory of a GPU, process groups, loggers) so never passes from trial to trial, and
a trial may start processes itself. What is complete is not run again; what was broken off is gone on with.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from signaltok.training.config.check import check
from signaltok.training.config.identity import config_hash
from signaltok.training.config.resolve import plain, stored
from signaltok.training.config.schema import TrainConfig
from signaltok.training.run_folder import CONFIG, SUMMARY, read_provenance
from signaltok.training.sweep.finished import figure, finished_run

OUTPUT = "output.log"  # of a trial that runs beside others


class TrialError(CompactHydraException):
    """A trial did not end well; the others of the sweep go on. Hydra shows such an error without a trace."""


def run_trial(config: DictConfig) -> float | None:
    """Make sure that this trial is complete; its metric_for_sweep, where one is asked for.

    Raises TrialError where the config is wrong, where a sweeper needs a metric and none is named, and where the run
    ended badly; what is wrong is said at once, as the other trials come first.
    """
    hydra = HydraConfig.get()
    try:
        return _complete(config)
    except (ValueError, OSError, TrialError) as error:
        folder = Path(hydra.runtime.output_dir)
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()  # Hydra has made it
        text = f"trial {hydra.job.num} ({' '.join(hydra.overrides.task)}): {error}"
        sys.stderr.write(f"error: {text}\n")
        raise TrialError(text) from None


def _complete(config: DictConfig) -> float | None:
    settings = plain(config)
    hydra = HydraConfig.get()
    name = settings["metric_for_sweep"]
    if name is None and "BasicSweeper" not in hydra.sweeper._target_:
        raise ValueError("this sweeper looks for the best value: say of what with metric_for_sweep=val/psnr")
    if settings["run"]["resume"] is not None:
        raise ValueError("run.resume goes on with one run; a sweep is gone on with by its own command")
    check(settings, TrainConfig)
    folder = Path(settings["paths"]["output_dir"])
    identity = config_hash(settings)
    place = Path(settings["paths"]["log_dir"]) / settings["task_name"]
    complete = finished_run(place, identity)
    if complete is None:
        _train(folder, list(hydra.overrides.task), identity, beside_others="basic" not in hydra.launcher._target_)
    elif complete.resolve() != folder.resolve():
        sys.stderr.write(f"trial {hydra.job.num} is complete already: {complete}\n")
        link(folder, complete)
    return None if name is None else figure(folder, name)


def _train(folder: Path, overrides: list[str], identity: str, *, beside_others: bool) -> None:
    sources = HydraConfig.get().runtime.config_sources
    configs = next(source.path for source in sources if source.provider == "main")
    command = [sys.executable, str(Path(configs).parent / "train.py")]
    if _broken_off(folder, identity):
        command.append(f"run.resume={folder}")
    else:
        command += [*overrides, f"hydra.run.dir={folder}", "hydra.mode=RUN"]
    if beside_others:
        with (folder / OUTPUT).open("a", encoding="utf-8") as output:
            status = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    else:
        status = subprocess.run(command, check=False).returncode
    if status != 0 or not (folder / SUMMARY).is_file():
        told = f"; it wrote {folder / OUTPUT}" if beside_others else ""
        raise TrialError(f"ended with status {status}{told}")


def _broken_off(folder: Path, identity: str) -> bool:
    """Whether an unfinished run of this very config lies in the folder. ValueError where it is of another."""
    if not (folder / CONFIG).is_file():
        return False
    if read_provenance(folder).get("config_hash") != identity:
        task: Any = stored(folder)["task_name"]
        raise ValueError(f"{folder} holds a {task} run of another config; give the sweep a folder of its own")
    return True


def link(folder: Path, complete: Path) -> None:
    """Show a complete run under this trial's number."""
    folder.rmdir()  # Hydra has made it
    folder.symlink_to(os.path.relpath(complete.resolve(), folder.parent.resolve()))
