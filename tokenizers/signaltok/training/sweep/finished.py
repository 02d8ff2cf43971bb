"""Runs that are there already."""

from pathlib import Path

from signaltok.files import read_json
from signaltok.training.run_folder import SUMMARY, read_provenance


def finished_run(place: Path, identity: str) -> Path | None:
    """The newest complete run with this config hash in place/runs and place/multiruns; None where there is none."""
    found = [*place.glob("runs/*"), *place.glob("multiruns/*/*")]
    complete = [run for run in found if (run / SUMMARY).is_file() and not run.is_symlink()]
    same = [run for run in complete if read_provenance(run).get("config_hash") == identity]
    return max(same, key=lambda run: (run / SUMMARY).stat().st_mtime, default=None)


def figure(run: Path, name: str) -> float:
    """A figure of a complete run. Raises ValueError where it has none of that name."""
    summary = read_json(run / SUMMARY) or {}
    if name not in summary:
        raise ValueError(f"{run / SUMMARY} has no {name}; it has {', '.join(sorted(summary))}")
    return float(summary[name])
