"""The page of a comparison: one file, no request to anywhere, light and dark, readable on a phone."""

import math
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from signaltok.files import write_text
from signaltok.reports.comparison import ABSENT, Comparison, Setting, estimate_text, heading
from signaltok.reports.figures import SPLITS, figure, in_order
from signaltok.reports.found_runs import Run, as_json, codebook_sizes
from signaltok.reports.plots import thinned
from signaltok.reports.run_files import read_curves
from signaltok.reports.setting import text_of

# Of each plot: its name in comparison.js, heading, what it shows, and the names of its select boxes.
SECTIONS = (
    (
        "hyper",
        "Figures against hyper-parameters",
        "Means over seeds; bars are one standard deviation each way. Settings that differ in nothing else are joined; "
        "points at one value stand side by side.",
        ("figure", "hyper-parameter"),
    ),
    (
        "rate",
        "Rate and distortion",
        "Filled: nominal bits, all codes counted alike. Hollow: the entropy of the codes as they occur, which is what "
        "an ideal coder would need.",
        ("split",),
    ),
    (
        "usage",
        "Use of the codebook",
        "Share of the codes hit over the whole split, against the codes of the largest book.",
        ("split",),
    ),
    ("curves", "Training", "One line a run, in the colour of its setting.", ("curve",)),
)
SCALES = {"%": 100.0, "kb/s": 1e-3}  # of figures, which are kept as shares and in bits a second
LIMIT = 200_000  # points of curves on the page, over all runs: it stays below about 4 MB


def write_comparison(comparison: Comparison, path: Path, *, everything: bool) -> Path:
    """Write the page to path and return it. everything: the table holds every figure; the plots always do."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the name of a file, such as {path / 'comparison.html'}")
    parts = [_header(comparison), _table(comparison, everything), *_plots()]
    here = Path(__file__)
    css = "\n".join(here.with_name(name).read_text(encoding="utf-8") for name in ("page.css", "comparison.css"))
    script = here.with_name("comparison.js").read_text(encoding="utf-8")
    title = "Comparison"
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{title} · signaltok</title>\n<link rel="icon" href="data:,">\n<style>\n{css}</style>\n'
        "</head>\n<body>\n<main>\n" + "\n".join(parts) + "\n</main>\n"
        f'<script type="application/json" id="data">{as_json(page_data(comparison))}</script>\n'
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )
    write_text(path, text)
    return path


def page_data(comparison: Comparison) -> dict[str, Any]:
    """What the script draws from: plain data, a number that is not finite as None.

    columns: names, and each setting's value (number or text, None where it has none). settings: label, and runs with
    seed, name, figures, codebook size and curves by name as [steps, values].
    """
    runs = [run for setting in comparison.settings for run in setting.runs]
    keys = in_order(key for run in runs for key in run.summary)
    return {
        "metric": comparison.metric,
        "columns": [
            {"names": list(column), "values": [_value(setting, column[0]) for setting in comparison.settings]}
            for column in comparison.columns
        ],
        "figures": [{"key": key, "label": heading(key), "unit": figure(key).unit} for key in keys],
        "splits": [split for split in SPLITS if any(key.startswith(f"{split}/") for key in keys)],
        "settings": [
            {
                "label": _label(comparison, setting),
                "runs": [_run_data(run, keys, LIMIT // len(runs)) for run in setting.runs],
            }
            for setting in comparison.settings
        ],
    }


def _run_data(run: Run, keys: list[str], points: int) -> dict[str, Any]:
    scale = {key: SCALES.get(figure(key).unit, 1.0) for key in keys}
    sizes = codebook_sizes(run.folder)
    curves: dict[str, list[list[float | None]]] = {}
    for curve in read_curves(run.folder / "metrics.csv"):
        if points > 0:
            steps, values = thinned(curve.steps, curve.values)
            curves[curve.name] = [[_finite(step) for step in steps], [_finite(value) for value in values]]
            points -= len(steps)
    return {
        "seed": run.seed if isinstance(run.seed, int) else None,
        "name": run.name,
        "figures": {key: _finite(run.summary[key] * scale[key]) for key in keys if key in run.summary},
        "codebook_size": max(sizes) if sizes else None,
        "curves": curves,
    }


def _label(comparison: Comparison, setting: Setting) -> str:
    """What tells a setting from the others: the last word of each key, where it has it, with its value.

    Where many keys differ, its place and experiment.
    """
    if comparison.many_differ:
        return f"{comparison.settings.index(setting) + 1} {setting.experiment}".strip()
    told = [
        f"{_bare(column[0])} {cell}"
        for column, cell in zip(comparison.columns, setting.cells, strict=True)
        if cell != ABSENT
    ]
    return ", ".join(told) or "the one setting"


def _bare(key: str) -> str:
    name = key.removesuffix("._target_")
    return name.rpartition(".")[2].replace("_", " ")


def _value(setting: Setting, key: str) -> float | str | None:
    if key not in setting.values:
        return None
    value = setting.values[key]
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    return text_of(key, value)


def _finite(value: float) -> float | None:
    """Seven digits of a number are more than any screen shows."""
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _header(comparison: Comparison) -> str:
    runs = sum(len(setting.runs) for setting in comparison.settings)
    settings = len(comparison.settings)
    ranked = f"ranked by {comparison.metric}" if comparison.metric else "not ranked"
    counts = f"{settings} setting{'s' * (settings != 1)}, {runs} run{'s' * (runs != 1)}, {ranked}"
    facts = "".join(
        f"<dt>{name}</dt><dd>{escape(comparison.shared[name])}</dd>" for name in ("experiment", "data", "protocol")
    )
    facts += "".join(f'<dt class="warn">differs</dt><dd>{escape(text)}</dd>' for text in comparison.differences)
    return (
        f'<header>\n<p class="eyebrow">signaltok {escape(version("signaltok"))} · comparison</p>\n'
        f'<h1>{escape(comparison.shared["experiment"])}</h1>\n<p class="note">{escape(counts)}</p>\n'
        f'<div class="card"><dl>{facts}</dl></div>\n</header>'
    )


def _table(comparison: Comparison, everything: bool) -> str:
    keys = comparison.keys(everything=everything)
    names = "".join(f"<th>{'<br>'.join(map(_breakable, column))}</th>" for column in comparison.columns)
    head = '<th class="number">n</th>'
    for key in keys:
        about = figure(key)
        unit = f" <small>{escape(about.unit)}</small>" if about.unit else ""
        mark = ' class="number by"' if key == comparison.metric else ' class="number"'
        head += f'<th{mark} title="{escape(about.meaning)}">{escape(heading(key))}{unit}</th>'
    head = f"<th>experiment</th>{head}{names}" if comparison.many_differ else names + head
    body = []
    for number, setting in enumerate(comparison.settings):
        told = "".join(f"<td>{escape(cell)}</td>" for cell in setting.cells)
        seeds = ", ".join(f"{run.name} (seed {run.seed})" for run in setting.runs)
        cells = f'<td class="number" title="{escape(seeds)}">{len(setting.runs)}</td>'
        cells += "".join(f'<td class="number">{_spread(key, setting)}</td>' for key in keys)
        cells = f"<td>{escape(setting.experiment)}</td>{cells}{told}" if comparison.many_differ else told + cells
        body.append(f'<tr><th scope="row"><span class="mark" data-setting="{number}"></span></th>{cells}</tr>')
    note = (
        "One row a setting: mean ± sample standard deviation over n seeds (one seed alone has no spread, –), and the "
        "keys in which settings differ."
    )
    table = (
        f'<div class="card scroll"><table class="settings">\n<thead><tr><th></th>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(body)
        + "\n</tbody></table></div>"
    )
    return f'<section>\n<h2>Settings</h2>\n<p class="note">{escape(note)}</p>\n{table}\n{_runs(comparison)}\n</section>'


def _runs(comparison: Comparison) -> str:
    entries = "".join(
        f"<dt>{escape(_label(comparison, setting))}</dt>"
        + "".join(f"<dd>{escape(run.name)} · seed {escape(str(run.seed))}</dd>" for run in setting.runs)
        for setting in comparison.settings
    )
    return f'<details class="card"><summary>All runs</summary><dl class="runs">{entries}</dl></details>'


def _breakable(key: str) -> str:
    return escape(key).replace(".", ".<wbr>")


def _spread(key: str, setting: Setting) -> str:
    mean, sign, deviation = estimate_text(key, setting.estimate(key)).partition(" ± ")
    return f'{escape(mean)}<span class="spread"> ± {escape(deviation)}</span>' if sign else escape(mean)


def _plots() -> list[str]:
    parts = []
    for name, title, note, choices in SECTIONS:
        selects = "".join(
            f'<label>{choice} <select id="{name}-{choice}" disabled></select></label>' for choice in choices
        )
        parts.append(
            f'<section>\n<h2>{title}</h2>\n<p class="note">{note}</p>\n<div class="card">'
            f'<div class="choices">{selects}</div><div class="chart" id="{name}"></div></div>\n</section>'
        )
    parts.append('<noscript><p class="absent">The plots need JavaScript; the table does not.</p></noscript>')
    return parts
