"""The folder of a run: its names, what is written at the start, and the link to the latest one."""

import json
import os
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from signaltok.artifact import trained
from signaltok.files import read_json, write_text
from signaltok.reports.run_files import LEVELS

CONFIG = trained.CONFIG
OVERRIDES = "overrides.yaml"
PROVENANCE = "provenance.json"
CHANGES = "changes.patch"
METRICS = "metrics.csv"
SUMMARY = "summary.json"
PROTOCOLS = "protocols.json"  # how those figures of the summary came about that mean nothing without
COUNTS = "code_counts.safetensors"
CHECKPOINTS = trained.CHECKPOINTS
LATEST = "latest"


def open_new(
    folder: Path, config: dict[str, Any], overrides: list[str], provenance: dict[str, Any], changes: str | None
) -> None:
    """Write what a run begins with; the config last, by which a run is known.

    changes: what the code differs in from its commit. Raises ValueError where another run lies there already.
    """
    if (folder / CONFIG).exists():
        raise ValueError(
            f"{folder} holds a run already; go on with it by run.resume={folder}, or give another hydra.run.dir"
        )
    write_text(folder / OVERRIDES, OmegaConf.to_yaml(OmegaConf.create(overrides)))
    write_text(folder / PROVENANCE, json.dumps(provenance, indent=2) + "\n")
    if changes is not None:
        write_text(folder / CHANGES, changes + "\n")
    write_text(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(config)))


def note_resume(folder: Path, entry: dict[str, Any], fingerprint: str) -> None:
    """Add a resume to the provenance of a run. Raises ValueError where its data are not what they were."""
    path = folder / PROVENANCE
    provenance = read_provenance(folder)
    before = provenance.get("data", {}).get("fingerprint", fingerprint)
    if before != fingerprint:
        raise ValueError(
            f"the data of {folder} have changed since it began: their fingerprint is {fingerprint}, it was {before}; "
            "bring back the data, or start a new run with run.init_from"
        )
    provenance.setdefault("resumed", []).append(entry)
    write_text(path, json.dumps(provenance, indent=2) + "\n")


def point_latest(log_dir: Path, folder: Path) -> None:
    """Make <log_dir>/latest a link to the folder. Raises ValueError where something else has that name."""
    link = log_dir / LATEST
    if link.exists() and not link.is_symlink():
        raise ValueError(f"{link} is not a link; move it away, the newest run is linked there")
    temporary = log_dir / f".{LATEST}.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    log_dir.mkdir(parents=True, exist_ok=True)
    temporary.symlink_to(os.path.relpath(folder.resolve(), log_dir.resolve()))
    temporary.replace(link)


def write_summary(folder: Path, values: dict[str, Any]) -> None:
    """summary.json: flat names and plain numbers."""
    write_text(folder / SUMMARY, json.dumps(values, indent=2) + "\n")


def write_protocols(folder: Path, protocols: dict[str, str]) -> None:
    """protocols.json: `<split>/<name>` -> one line; not written where no figure needs one."""
    if protocols:
        write_text(folder / PROTOCOLS, json.dumps(protocols, indent=2, ensure_ascii=False) + "\n")


def write_levels(folder: Path, split: str, curve: dict[int, dict[str, float]]) -> None:
    """levels.json: of one split, number of levels that were decoded -> values."""
    content = {"split": split, "levels": {str(count): values for count, values in curve.items()}}
    write_text(folder / LEVELS, json.dumps(content, indent=2) + "\n")


def read_provenance(folder: Path) -> dict[str, Any]:
    """What is known about a run; empty where nothing was written."""
    return read_json(folder / PROVENANCE) or {}
