"""Runs side by side: grouped by setting over the seeds, and ranked where that means something."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signaltok.reports.figures import SPLITS, figure, in_order
from signaltok.reports.found_runs import Run, short
from signaltok.reports.setting import canonical, text_of

ABSENT = ""  # the cell of a key that a setting does not have
NOT_KNOWN = "–"
# The first of them that all runs have, where nothing else is asked for: of pictures, of sounds.
RANKED_BY = ("test/psnr", "val/psnr", "test/si_sdr", "val/si_sdr")
SHOWN = (
    "psnr", "ssim", "bits_per_pixel", "entropy_bits_per_pixel", "bitrate", "effective_bitrate", "usage", "perplexity",
)  # fmt: skip

FEW = 6  # keys that differ, up to which they are columns before the figures


@dataclass(frozen=True)
class Estimate:
    """Mean over seeds, sample standard deviation (None for one seed alone), number of seeds."""

    mean: float
    deviation: float | None
    count: int


@dataclass(frozen=True)
class Setting:
    """The runs, a seed each, of one setting; cells: the texts of the comparison's columns."""

    runs: tuple[Run, ...]
    values: dict[str, Any]
    cells: tuple[str, ...]

    @property
    def experiment(self) -> str:
        """Of its runs; empty where they had none."""
        return self.runs[0].experiment or ""

    def estimate(self, key: str) -> Estimate | None:
        """The figure over the seeds that have it; None where none has."""
        found = [run.summary[key] for run in self.runs if key in run.summary]
        if not found:
            return None
        if not all(map(math.isfinite, found)):
            return Estimate(math.nan, None, len(found))
        return Estimate(statistics.fmean(found), statistics.stdev(found) if len(found) > 1 else None, len(found))


@dataclass(frozen=True)
class Comparison:
    """Settings in the order to be shown.

    columns: the config keys in which settings differ, those that say the same in every setting together.
    metric: what they are ranked by; None where they are not. differences: what keeps them from being ranked.
    repeated: pairs of runs (left out, kept) of one setting and one seed. shared: experiment, data and protocol, as
    far as all agree. metrics: the names of those that the configs ask for.
    """

    settings: tuple[Setting, ...]
    columns: tuple[tuple[str, ...], ...]
    metric: str | None
    differences: tuple[str, ...]
    repeated: tuple[tuple[str, str], ...]
    shared: dict[str, str]
    metrics: tuple[str, ...]

    @property
    def many_differ(self) -> bool:
        """Whether so many keys differ that figures stand before them, and settings go by their experiment."""
        return len(self.columns) > FEW

    def keys(self, *, everything: bool) -> list[str]:
        """The figures to be shown: of the split they are ranked on, or everything that any run has."""
        there = in_order(key for setting in self.settings for run in setting.runs for key in run.summary)
        first = [self.metric] if self.metric is not None else []
        if not everything:
            split = (self.metric or next(iter(there), "")).split("/")[0]
            split = split if split in SPLITS else next((name for name in SPLITS if _has(there, name)), "")
            wanted = [f"{split}/{name}" for name in SHOWN]
            known = {key.split("/", 1)[1] for key in there if key.startswith(f"{split}/")}
            own = [name for name in self.metrics if name in known - set(SHOWN)]
            wanted += [*(f"{split}/{name}" for name in own), "train/seconds"]
            there = [key for key in there if key in wanted]
        return list(dict.fromkeys(first + there))


def compare(runs: Sequence[Run], *, metric: str | None, ranked: bool) -> Comparison:
    """Group and rank. Raises ValueError where runs differ in what their figures mean, unless ranked is False."""
    if not runs:
        raise ValueError("there is no finished run to compare")
    found = tuple(differences(runs))
    if found and ranked:
        raise ValueError(
            f"these runs cannot be ranked, as their figures do not mean the same: {'; '.join(found)}. "
            "Leave the odd ones out, or give --unranked to see the table all the same"
        )
    groups, repeated = _grouped(runs)
    columns = differing([group[0].setting for group in groups])
    settings = [
        Setting(tuple(group), group[0].setting, tuple(_cell(group[0].setting, column[0]) for column in columns))
        for group in groups
    ]
    chosen = _metric(runs, metric) if ranked else None
    if chosen is not None:
        settings = _ranked(settings, chosen, direction(chosen, runs))
    return Comparison(tuple(settings), columns, chosen, found, tuple(repeated), _shared(runs), _metrics(runs))


def differences(runs: Sequence[Run]) -> list[str]:
    """What keeps the figures of runs from meaning the same: one phrase each, with the runs."""
    aspects = {"data fingerprint": [run.fingerprint for run in runs]}
    for key in dict.fromkeys(key for run in runs for key in run.protocol):
        aspects[key] = [run.protocol.get(key) for run in runs]
    phrases = []
    for name, values in aspects.items():
        holders: dict[str, list[str]] = {}
        for run, value in zip(runs, values, strict=True):
            text = "not there" if value is None else text_of(name, value)
            holders.setdefault(short(text) if name == "data fingerprint" else text, []).append(run.name)
        if len({canonical(value) for value in values}) > 1 or (name == "data fingerprint" and None in values):
            phrases.append(f"{name}: {' but '.join(f'{text} in {_some(names)}' for text, names in holders.items())}")
    return phrases


def differing(settings: Sequence[dict[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """The keys in which settings differ, in their order; keys with the same value in each setting come together."""
    columns: dict[tuple[str, ...], list[str]] = {}
    for key in dict.fromkeys(key for values in settings for key in values):
        told = tuple(canonical(values[key]) if key in values else ABSENT for values in settings)
        if len(set(told)) > 1:
            columns.setdefault(told, []).append(key)
    return tuple(tuple(keys) for keys in columns.values())


def direction(key: str, runs: Sequence[Run]) -> str:
    """Whether "more" or "less" of a figure is better. Raises ValueError where nobody has said."""
    known = figure(key).better or ("less" if key.startswith("train/") else "")
    name = key.split("/", 1)[-1]
    for run in runs:
        known = known or run.best_is.get(name, "")
    if not known:
        raise ValueError(
            f"nothing says whether more or less of {key} is better; rank by another --metric, or give --unranked"
        )
    return known


def heading(key: str) -> str:
    """The split and the label of a figure; of a time, its label."""
    split, label = key.split("/")[0], figure(key).label
    return label if key in ("train/seconds", "run/seconds") else f"{split} {label}"


def estimate_text(key: str, estimate: Estimate | None) -> str:
    """Mean ± deviation in the figure's own digits; one seed alone has no deviation."""
    if estimate is None:
        return ""
    text = figure(key).text
    return f"{text(estimate.mean)} ± {NOT_KNOWN if estimate.deviation is None else text(estimate.deviation)}"


def _grouped(runs: Sequence[Run]) -> tuple[list[list[Run]], list[tuple[str, str]]]:
    """Runs by setting in the order given, one a seed: of several, the one that was started last."""
    groups: dict[str, dict[str, Run]] = {}
    repeated = []
    for run in runs:
        seeds = groups.setdefault(canonical([run.setting, run.protocol]), {})
        other = seeds.get(canonical(run.seed))
        if other is None:
            seeds[canonical(run.seed)] = run
            continue
        older, newer = sorted((other, run), key=lambda one: str(one.provenance.get("started") or ""))
        seeds[canonical(run.seed)] = newer
        repeated.append((older.name, newer.name))
    return [list(seeds.values()) for seeds in groups.values()], repeated


def _metric(runs: Sequence[Run], asked: str | None) -> str:
    for name in RANKED_BY if asked is None else (asked,):
        lacking = [run.name for run in runs if name not in run.summary]
        if not lacking:
            return name
        if asked is not None:
            there = sorted(set.intersection(*(set(run.summary) for run in runs)))
            raise ValueError(f"{_some(lacking)} has no {asked}; all runs have {', '.join(there) or 'no figure'}")
    raise ValueError(f"not all runs have one of {', '.join(RANKED_BY)}; give --metric, or --unranked")


def _ranked(settings: list[Setting], key: str, better: str) -> list[Setting]:
    def place(setting: Setting) -> tuple[bool, float]:
        estimate = setting.estimate(key)
        assert estimate is not None, key
        return math.isnan(estimate.mean), -estimate.mean if better == "more" else estimate.mean

    return sorted(settings, key=place)


def _shared(runs: Sequence[Run]) -> dict[str, str]:
    """What the lines above the table name."""
    data = dict.fromkeys(
        f"{run.data.get('name', 'data')} {short(run.fingerprint) if run.fingerprint else 'without fingerprint'}"
        for run in runs
    )
    same = {
        key: value
        for key, value in runs[0].protocol.items()
        if all(canonical(run.protocol.get(key)) == canonical(value) for run in runs)
    }
    told = {key: text_of(key, value) for key, value in same.items() if not key.startswith("metrics.")}
    return {
        "experiment": ", ".join(dict.fromkeys(run.experiment or "none" for run in runs)),
        "data": ", ".join(data),
        "protocol": ", ".join(f"{key} {text}" for key, text in told.items()) or "nothing shared",
    }


def _metrics(runs: Sequence[Run]) -> tuple[str, ...]:
    names = (name for run in runs for split in SPLITS for name in run.protocol.get(f"{split} figures", []))
    return tuple(dict.fromkeys(names))


def _cell(values: dict[str, Any], key: str) -> str:
    return text_of(key, values[key]) if key in values else ABSENT


def _has(keys: Sequence[str], split: str) -> bool:
    return any(key.startswith(f"{split}/") for key in keys)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:2])
    return shown if len(names) <= 2 else f"{shown} and {len(names) - 2} more"
