"""A run once more: from the stored config of a run into a new folder, and its figures against the old ones."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from signaltok.files import read_json
from signaltok.training import run_folder
from signaltok.training.assemble import build_data
from signaltok.training.config.check import check
from signaltok.training.config.resolve import stored
from signaltok.training.config.schema import TrainConfig
from signaltok.training.launch import free_name
from signaltok.training.provenance import collect
from signaltok.training.run import run, settings_at

COMPARED = ("test/", "val/")  # the figures that a rerun must give again; times and training's own are left out
NOT_THERE = "not recorded"


@dataclass(frozen=True)
class Repetition:
    """Old and new folder, the compared figures of both (None where a run lacks one), how their provenance differs."""

    old: Path
    new: Path
    figures: dict[str, tuple[float | None, float | None]]
    provenance: tuple[str, ...]

    @property
    def different(self) -> list[str]:
        """The names of the figures that are not equal to the last digit."""
        return [name for name, (old, new) in self.figures.items() if not same(old, new)]


def rerun(
    old: Path, *, out: Path | None, other_data: bool, command: list[str], warn: Callable[[str], None]
) -> Repetition:
    """Repeat the finished training run in old.

    out: the new folder, by default <log_dir>/<task_name>/runs/<now>. Before anything is trained, warn is told how
    code, versions and data differ from the old run's. Raises ValueError where old is no finished training run, where
    what it started from is gone, and where the data are others, unless other_data is True.
    """
    old = old.resolve()  # outputs/latest is another run when this one has begun
    recorded, summary = _read(old)
    settings = repeated_settings(old, out)
    new = Path(settings["paths"]["output_dir"])
    if new.exists() and (not new.is_dir() or any(new.iterdir())):
        raise ValueError(f"{new} exists already; give a new folder by --out")
    check(settings, TrainConfig)
    source = settings["run"]["init_from"]
    if source is not None and not Path(source).exists():
        raise ValueError(
            f"{old} started from the weights of {source} (run.init_from), which is not there any more; put it back, "
            "as the run cannot be repeated without it"
        )
    data = build_data(settings)
    fingerprint, before = data.fingerprint(), (recorded.get("data") or {}).get("fingerprint")
    if fingerprint != before and not other_data:
        raise ValueError(
            f"the data are not those of {old}: their fingerprint is {fingerprint}, it was {before or NOT_THERE}; "
            "put the old data back, or give --other-data to train on these"
        )
    found = {"fingerprint": fingerprint}
    now = collect(command=command, overrides=[], seed=settings["seed"], data=found, config_hash=None)
    for difference in provenance_differences(recorded, now, machine=False):
        warn(difference)
    overrides = [str(entry) for entry in recorded.get("overrides") or []]
    run(settings, command=command, overrides=overrides, repeats=str(old), data=data)
    made, figures = _read(new)
    names = dict.fromkeys(name for name in (*summary, *figures) if name.startswith(COMPARED))
    return Repetition(
        old,
        new,
        {name: (summary.get(name), figures.get(name)) for name in names},
        tuple(provenance_differences(recorded, made, machine=True)),
    )


def repeated_settings(old: Path, out: Path | None) -> dict[str, Any]:
    """The stored settings of a run with everything of its folder in a new one, as a run of its own."""
    settings = settings_at(old, _place_for(old) if out is None else out)
    settings["run"] = {**settings["run"], "resume": None}
    loggers = settings["logger"] or {}
    # A logger with an id would go on in the old run's own record.
    fresh = {
        name: {**node, "id": f"{settings['task_name']}-{datetime.now():%Y%m%d-%H%M%S-%f}"}
        for name, node in loggers.items()
        if node is not None and node.get("id") is not None
    }
    settings["logger"] = {**loggers, **fresh}
    return settings


def _place_for(old: Path) -> Path:
    """Where a run of that kind, started now, would lie."""
    settings = stored(old)
    runs = Path(str(settings["paths"]["log_dir"]), str(settings["task_name"]), "runs")
    return runs / free_name(runs)


def provenance_differences(old: dict[str, Any], new: dict[str, Any], *, machine: bool) -> list[str]:
    """One phrase for each way in which code, versions, data and, where asked for, the machine are others."""
    phrases = []
    before, after = old.get("git") or {}, new.get("git") or {}
    for name in ("commit", "dirty"):
        phrases += _difference(name, before.get(name), after.get(name))
    if before.get("dirty") and after.get("dirty"):
        phrases.append("dirty is true of both: uncommitted changes may differ")
    was, is_now = old.get("versions") or {}, new.get("versions") or {}
    for name in sorted(was.keys() | is_now.keys()):
        phrases += _difference(f"version of {name}", was.get(name), is_now.get(name))
    one, other = old.get("data") or {}, new.get("data") or {}
    phrases += _difference("data fingerprint", one.get("fingerprint"), other.get("fingerprint"))
    if machine:
        here, there = old.get("machine") or {}, new.get("machine") or {}
        for name in dict.fromkeys([*here, *there]):
            phrases += _difference(f"machine's {name}", here.get(name), there.get(name))
    return phrases


def same(old: float | None, new: float | None) -> bool:
    """Equal to every digit; not-a-number equals itself."""
    if old is None or new is None:
        return False
    return old == new or (math.isnan(old) and math.isnan(new))


def _difference(name: str, old: Any, new: Any) -> list[str]:
    return [] if old == new else [f"{name} was {_told(old)}, is {_told(new)}"]


def _told(value: Any) -> str:
    if value is None:
        return NOT_THERE
    return value if isinstance(value, str) else json.dumps(value)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Provenance and figures of a finished training run."""
    if not (folder / run_folder.CONFIG).is_file():
        raise ValueError(f"{folder} is not a run: it has no {run_folder.CONFIG}; give the folder of a training run")
    provenance = run_folder.read_provenance(folder)
    if "evaluated" in provenance:
        raise ValueError(f"{folder} is an evaluation; repeat it by its command: {provenance.get('command')}")
    content = read_json(folder / run_folder.SUMMARY)
    if content is None:
        raise ValueError(
            f"{folder} is not finished: it has no {run_folder.SUMMARY}; go on with it by run.resume={folder}"
        )
    return provenance, {name: float(value) for name, value in content.items() if isinstance(value, int | float)}
