"""Runs in processes of their own that can be killed, forked from one that has imported everything already."""

import contextlib
import csv
import json
import multiprocessing
import os
import warnings
from pathlib import Path
from typing import Any

import torch

from signaltok.checkpoint import read_checkpoint
from signaltok.training.run import resumed_settings, run

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["killing"])
# Of a checkpoint: what Lightning records of itself, and the clock, which measures this machine's day.
UNCOMPARED = {"pytorch-lightning_version", "hparams_name", "TrainingClock"}


def _quietly(settings: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        run(settings, command=["test"], overrides=[])


def _train(settings: dict[str, Any]) -> None:
    _quietly(settings)


def _resume(folder: Path) -> None:
    _quietly(resumed_settings(folder, []))


def start(settings: dict[str, Any]) -> Any:
    """A process that trains."""
    process = CONTEXT.Process(target=_train, args=(settings,))
    process.start()
    return process


def finish(folder: Path) -> None:
    """Go on with the run in another process, to its end."""
    process = CONTEXT.Process(target=_resume, args=(folder,))
    process.start()
    process.join(300)
    assert process.exitcode == 0, f"the resumed run ended with {process.exitcode}"


def logged(folder: Path) -> int:
    """The last step in the log of a run."""
    log = folder / "metrics.csv"
    return int(log.read_text().splitlines()[-1].partition(",")[0]) if log.is_file() else 0


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two runs: tensors and values of both checkpoints, rows of the log, figures, counts."""
    found = []
    for name in ("last", "best"):
        found += compare(*(read_checkpoint(run / f"checkpoints/{name}.ckpt") for run in (one, other)), name)
    found += compare(*(_rows(run / "metrics.csv") for run in (one, other)), "metrics.csv")
    found += compare(*(_figures(run) for run in (one, other)), "summary.json")
    return found


def compare(a: Any, b: Any, path: str) -> list[str]:
    """Paths at which two nested values differ, to the bit."""
    if type(a) is not type(b):
        return [f"{path}: {type(a).__name__} and {type(b).__name__}"]
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [f"{path}: {sorted(map(str, a.keys() ^ b.keys()))}"]
        return [x for key in a if key not in UNCOMPARED for x in compare(a[key], b[key], f"{path}.{key}")]
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return [f"{path}: {len(a)} and {len(b)} entries"]
        return [x for n, (c, d) in enumerate(zip(a, b, strict=True)) for x in compare(c, d, f"{path}[{n}]")]
    if isinstance(a, torch.Tensor):
        return [] if torch.equal(a, b) else [f"{path}: the tensors differ"]
    return [] if a == b else [f"{path}: {a} and {b}"]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _figures(folder: Path) -> dict[str, float]:
    values = json.loads((folder / "summary.json").read_text())
    return {name: value for name, value in values.items() if not name.endswith("/seconds")}
