"""Finding runs below folders, and reading of each what a comparison needs."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError, safe_open

from signaltok.files import read_json
from signaltok.reports.run_files import COUNT_NAME
from signaltok.reports.setting import TRAINING_DATA, flatten, protocol, setting

CONFIG = "config.yaml"
PROVENANCE = "provenance.json"
SUMMARY = "summary.json"
EXPORTED = "config.json"  # of an exported tokenizer
EVALUATION = "evaluation"  # what the keys of an evaluation's own config begin with in its setting


@dataclass(frozen=True)
class Run:
    """One finished run. name: its folder as it was reached; setting and protocol: see setting.py, dotted keys."""

    name: str
    folder: Path
    setting: dict[str, Any]
    protocol: dict[str, Any]
    seed: Any
    experiment: str | None
    provenance: dict[str, Any]
    summary: dict[str, float]
    best_is: dict[str, str]  # a figure that the config chooses its checkpoint by -> "more" or "less"

    @property
    def fingerprint(self) -> str | None:
        """Of the data that the figures are of."""
        found = self.data.get("fingerprint")
        return None if found is None else str(found)

    @property
    def data(self) -> dict[str, Any]:
        """The data's description; empty where none was recorded."""
        return self.provenance.get("data") or {}


def find_runs(places: Iterable[Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """(finished runs, unfinished runs, places without any), in order; a run that is reached twice counts once.

    Runs lie at or below places; links are followed. Raises ValueError where a place is no folder.
    """
    finished: list[Path] = []
    unfinished: list[Path] = []
    empty: list[Path] = []
    taken: set[Path] = set()
    for place in places:
        if not place.is_dir():
            raise ValueError(f"there is no folder {place}; give runs, or folders that runs lie in")
        runs = list(_below(place, set()))
        if not runs:
            empty.append(place)
        for run in runs:
            if run.resolve() not in taken:
                taken.add(run.resolve())
                (finished if (run / SUMMARY).is_file() else unfinished).append(run)
    return finished, unfinished, empty


def read_run(folder: Path) -> Run:
    """A finished run, of training or of evaluation. Raises ValueError where a file of it is damaged."""
    config, provenance = read_config(folder), read_json(folder / PROVENANCE) or {}
    content = read_json(folder / SUMMARY) or {}
    summary = {k: float(v) for k, v in content.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    own, made_by, source, seed = setting(config), provenance, config, config.get("seed")
    if provenance.get("evaluated"):
        evaluated = Path(str(provenance["evaluated"]))
        trained = _trained(evaluated)
        if trained is None:
            own = {"evaluated": str(evaluated), **_of_evaluation(own, {})}
            source = {**config, "tokenizer": {"value_range": _exported_range(evaluated)}}
        else:
            of_run = read_config(trained)
            made_by, seed = read_json(trained / PROVENANCE) or {}, of_run.get("seed")
            own = {**setting(of_run), **_of_evaluation(own, setting(of_run))}
            source = {**config, "tokenizer": of_run.get("tokenizer")}
    # The data are part of a setting, so that runs on other data stand apart where they are shown unranked.
    fingerprint = (provenance.get("data") or {}).get("fingerprint")
    own["data.fingerprint"] = None if fingerprint is None else short(str(fingerprint))
    return Run(
        name=str(folder),
        folder=folder,
        setting=own,
        protocol=protocol(source, summary),
        seed=seed,
        experiment=_experiment(made_by),
        provenance=provenance,
        summary=summary,
        best_is=_best_is(config),
    )


def read_config(folder: Path) -> dict[str, Any]:
    """The stored config of a run. Raises ValueError where it is damaged."""
    path = folder / CONFIG
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is damaged: it holds no mapping")
    return {str(key): value for key, value in content.items()}


def codebook_sizes(folder: Path) -> list[int]:
    """Codes a level, from the header of code_counts.safetensors; empty where there is none."""
    path = folder / "code_counts.safetensors"
    if not path.is_file():
        return []
    sizes: dict[int, int] = {}
    try:
        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118  the file is no dict
                found = COUNT_NAME.match(name)
                if found:
                    sizes[int(found[2])] = file.get_slice(name).get_shape()[0]
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return [sizes[level] for level in sorted(sizes)]


def is_run(folder: Path) -> bool:
    """Whether a run, finished or not, lies at folder."""
    return (folder / CONFIG).is_file() and (folder / PROVENANCE).is_file()


def _below(folder: Path, visited: set[Path]) -> Iterator[Path]:
    """Runs at or below folder; what lies within a run is not looked at, and links come after what is there itself."""
    if folder.resolve() in visited:
        return
    visited.add(folder.resolve())
    if is_run(folder):
        yield folder
        return
    children = [child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")]
    for child in sorted(children, key=lambda child: (child.is_symlink(), _natural(child.name))):
        yield from _below(child, visited)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _trained(evaluated: Path) -> Path | None:
    """The training run that what was evaluated is, or was exported into; None where it is not there."""
    return next((folder for folder in (evaluated, evaluated.parent) if is_run(folder)), None)


def _of_evaluation(own: dict[str, Any], trained: dict[str, Any]) -> dict[str, Any]:
    """What an evaluation adds to the setting of its run: the checkpoint, and how its data are not the run's."""
    data = {
        key: value for key, value in own.items() if key.startswith("data.") and key.split(".")[1] not in TRAINING_DATA
    }
    others = {key: value for key, value in data.items() if key not in trained or trained[key] != value}
    checkpoint = {key: own[key] for key in ("run.checkpoint",) if key in own}
    return {f"{EVALUATION}.{key}": value for key, value in {**checkpoint, **others}.items()}


def _exported_range(folder: Path) -> list[float] | None:
    content = read_json(folder / EXPORTED)
    return None if content is None else content.get("value_range")


def _experiment(provenance: dict[str, Any]) -> str | None:
    """The last experiment= among the overrides; None where the run had none."""
    named = [str(entry) for entry in provenance.get("overrides") or [] if str(entry).startswith("experiment=")]
    return named[-1].removeprefix("experiment=") if named else None


def _best_is(config: dict[str, Any]) -> dict[str, str]:
    best = flatten(config).get("callbacks.best_checkpoint.monitor")
    mode = flatten(config).get("callbacks.best_checkpoint.mode")
    return {str(best).split("/", 1)[-1]: "more" if mode == "max" else "less"} if best is not None else {}


def short(fingerprint: str) -> str:
    """A fingerprint to be read: the word before the colon, and the first of its digits."""
    word, colon, digits = fingerprint.rpartition(":")
    return f"{word}{colon}{digits[:12]}"


def as_json(value: Any) -> str:
    """JSON that may stand inside a <script> element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
