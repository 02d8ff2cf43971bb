"""Where a run comes from: command, code, versions, seed, data, machine."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import distributions
from typing import Any

import torch


def collect(
    *, command: list[str], overrides: list[str], seed: int, data: dict[str, Any], config_hash: str | None
) -> dict[str, Any]:
    """Plain data; what the machine cannot tell is None. config_hash: what makes a training run the run it is."""
    return {
        "command": command_line(command),
        "config_hash": config_hash,
        "overrides": overrides,
        "started": now(),
        "seed": seed,
        "data": data,
        "git": git_state(),
        "versions": dict(_versions()),
        "machine": machine(),
    }


def command_line(command: list[str]) -> str:
    """As it would be typed."""
    return shlex.join(command)


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def git_state() -> dict[str, Any] | None:
    """Commit and whether files differ from it; None outside a repository or without git."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(changes)}


def changes() -> str | None:
    """The differences of the working tree from its commit; None where there are none or nothing is known."""
    return _git("diff", "HEAD") or None


def machine() -> dict[str, Any]:
    """What the run was computed on."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip("\n") if done.returncode == 0 else None


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    """Name and version of every installed distribution; read once, as hundreds of files are parsed for it."""
    read = (found.metadata for found in distributions())
    return tuple(sorted({(own["Name"], own["Version"]) for own in read if own["Name"]}))
