"""The page of a run: one file, no request to anywhere, light and dark, readable on a phone."""

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from signaltok.files import read_json, write_text
from signaltok.reports import plots
from signaltok.reports.clips import Clip, clip_cards, read_clips
from signaltok.reports.figures import RUN, Row, columns, level_rows, summary_table
from signaltok.reports.made import made_sections
from signaltok.reports.neighbour_cards import neighbour_cards
from signaltok.reports.pictures import channels_last, code_colours, png, token_maps
from signaltok.reports.run_files import (
    LEVELS,
    Curve,
    Samples,
    read_counts,
    read_curves,
    read_levels,
    read_samples,
    read_text,
)
from signaltok.reports.samples import SAMPLES, TENSORS
from signaltok.reports.sound_cards import sound_cards
from signaltok.reports.sounds import Sound, read_sounds

REPORT = "report.html"
PICTURE_BYTES = 1_900_000  # of PNG files, before base64 makes them a third larger: the page stays below 3 MB
HEADLINE = (
    "PSNR", "SSIM", "motion PSNR", "SI-SDR", "log-mel distance", "STOI", "bits per pixel", "bitrate", "usage",
    "perplexity",
)  # fmt: skip
NAMED_VERSIONS = ("signaltok", "torch", "torchvision", "pytorch-lightning", "numpy")
SHARP_BELOW = 160  # smaller pictures are enlarged without smoothing


def write_report(run_dir: Path) -> Path:
    """Write run_dir/report.html from what lies in run_dir, and return its path. What is missing is said there.

    Raises ValueError where run_dir is no folder or a file in it is damaged.
    """
    if not run_dir.is_dir():
        raise ValueError(f"{run_dir} is not a folder; give the folder of a run")
    summary = {k: float(v) for k, v in (read_json(run_dir / "summary.json") or {}).items() if _is_number(v)}
    protocols = {k: str(v) for k, v in (read_json(run_dir / "protocols.json") or {}).items()}
    provenance = read_json(run_dir / "provenance.json") or {}
    samples = read_samples(run_dir / SAMPLES / TENSORS)
    counts = read_counts(run_dir / "code_counts.safetensors")
    curves = read_curves(run_dir / "metrics.csv")
    sounds, clips = read_sounds(run_dir / SAMPLES), read_clips(run_dir / SAMPLES)
    parts = [_header(run_dir, provenance), _figures(summary, protocols)]
    found = neighbour_cards(run_dir / SAMPLES)
    parts.append(_by_levels(read_levels(run_dir / LEVELS)))
    made = [_section(*section) for section in made_sections(run_dir)]
    shown = _sounds(sounds) if sounds else _clips(clips) if clips else _pictures(samples)
    # A language model, or a tokenizer that only encodes, has no reconstructions to show, and that is no defect.
    alone = (found or made) and samples is None and not sounds and not clips
    parts += [*made, found] if alone else [shown, found]
    if counts is not None or any(name.endswith("/usage") for name in summary):
        parts.append(_usage(counts, summary))
    parts += [_curves(curves), _provenance(provenance), _config(read_text(run_dir / "config.yaml"))]
    write_text(run_dir / REPORT, _document(run_dir.resolve().name, parts))
    return run_dir / REPORT


def _document(title: str, parts: Iterable[str]) -> str:
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} · signaltok</title>\n"
        f'<link rel="icon" href="data:,">\n<style>\n{css}</style>\n</head>\n<body>\n<main>\n'
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _header(run_dir: Path, provenance: dict[str, Any]) -> str:
    kind = "evaluation" if "evaluated" in provenance else "training run"
    facts = []
    if provenance.get("started"):
        facts.append(f"started {str(provenance['started']).replace('T', ' ').replace('+00:00', ' UTC')}")
    if provenance.get("seed") is not None:
        facts.append(f"seed {provenance['seed']}")
    git = provenance.get("git")
    if isinstance(git, dict) and git.get("commit"):
        facts.append(f"commit {str(git['commit'])[:10]}" + (", with changes" if git.get("dirty") else ""))
    return (
        f'<header>\n<p class="eyebrow">signaltok · {kind}</p>\n<h1>{escape(run_dir.resolve().name)}</h1>\n'
        f'<p class="note">{escape(" · ".join(facts))}</p>\n</header>'
    )


def _figures(summary: dict[str, float], protocols: dict[str, str]) -> str:
    rows, splits = [row for row in summary_table(summary, protocols) if row.level is None], columns(summary)
    if not rows:
        return _section("Figures", "", _absent("The summary"))
    best = {row.label: row for row in rows}
    tiles = [_tile(best[label], splits) for label in HEADLINE if label in best]
    shown = [*splits, *([RUN] if any(RUN in row.cells for row in rows) else [])]
    head = "".join(f'<th class="number">{escape(name)}</th>' for name in shown)
    body = "\n".join(
        f'<tr><th scope="row">{escape(row.label)}</th>'
        + "".join(f'<td class="number">{escape(row.cells.get(name, ""))}</td>' for name in shown)
        + f'<td class="unit">{escape(row.unit)}</td><td class="meaning">{escape(row.meaning)}</td></tr>'
        for row in rows
    )
    table = (
        f'<div class="card scroll"><table>\n<thead><tr><th></th>{head}<th></th><th class="meaning"></th></tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )
    note = f"Large: the {splits[0]} split." if splits else ""
    return _section("Figures", note, f'<div class="headline">{"".join(tiles)}</div>\n{table}')


def _tile(row: Row, splits: list[str]) -> str:
    value = next((row.cells[split] for split in splits if split in row.cells), "")
    unit = "" if row.unit in ("codes", "bit") else f" <small>{escape(row.unit)}</small>"
    return (
        f'<div class="card"><div class="label">{escape(row.label)}</div>'
        f'<div class="value">{escape(value)}{unit}</div></div>'
    )


def _pictures(samples: Samples | None) -> str:
    title = "Originals and reconstructions"
    if samples is None:
        return _section(title, "", _absent("Samples"))
    originals, reconstructions = channels_last(samples.originals), channels_last(samples.reconstructions)
    cells = token_maps(samples.codes)
    maps = None if cells is None else code_colours(cells)
    cards, size = [], 0
    for number, (original, reconstruction) in enumerate(zip(originals, reconstructions, strict=True)):
        files = [png(original), png(reconstruction), *([] if maps is None else [png(maps[number])])]
        size += sum(map(len, files))
        if cards and size > PICTURE_BYTES:
            break
        cards.append(_card(files, original, reconstruction))
    note = "Items spread evenly over the split, lossless. PSNR is of the picture shown."
    if maps is not None:
        note += " The third picture is the first level's token map: one cell a token, one colour a code."
    return _section(title, note, f'<div class="samples">\n{"".join(cards)}</div>')


def _sounds(sounds: list[Sound]) -> str:
    note = (
        "Items spread evenly over the split, at most ten seconds of each. Spectrograms: frequency upwards from 0 to "
        "half the sample rate, both on the original's scale of 80 dB. SI-SDR is of the sound shown."
    )
    if sounds[0].codes:
        note += " The strip below is the token map over time: one row a level, one colour a code."
    return _section("Originals and reconstructions", note, sound_cards(sounds, PICTURE_BYTES))


def _clips(clips: list[Clip]) -> str:
    note = (
        "Items spread evenly over the split, at most four seconds of each: the original, the reconstruction and, where "
        "there are codes, the first level's token map over time, one colour a code. PSNR is of the clip shown."
    )
    return _section("Originals and reconstructions", note, clip_cards(clips, PICTURE_BYTES))


def _by_levels(found: tuple[str, dict[int, dict[str, float]]] | None) -> str:
    """The figures of the first so many levels; nothing where they were not asked for."""
    if found is None:
        return ""
    split, curve = found
    head = "".join(f'<th class="number">{count}</th>' for count in curve)
    body = "\n".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        + f'<td class="unit">{escape(unit)}</td></tr>'
        for label, unit, cells in level_rows(curve)
    )
    table = (
        f'<div class="card scroll"><table>\n<thead><tr><th>levels, {escape(split)}</th>{head}<th></th></tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )
    drawings = [
        f'<div class="card plot">{plots.svg(figure, f"levels{n}")}</div>'
        for n, figure in enumerate(plots.level_figures(curve, plots.PAGE))
    ]
    curves = f'<div class="curves more">\n{"".join(drawings)}\n</div>'
    return _section("By number of levels", "Decoded from the first so many levels alone.", f"{table}\n{curves}")


def _card(files: list[bytes], original: np.ndarray, reconstruction: np.ndarray) -> str:
    sharp = ' class="pixels"' if max(original.shape) < SHARP_BELOW else ""
    names = ("original", "reconstruction", "tokens")[: len(files)]
    height, width = original.shape[:2]
    images = "".join(
        f'<img{sharp if number < 2 else " class=pixels"} alt="{name}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{base64.b64encode(file).decode()}">'
        for number, (name, file) in enumerate(zip(names, files, strict=True))
    )
    error = np.square(original.astype(np.float64) - reconstruction).mean()
    decibel = "identical" if error == 0 else f"{10 * np.log10(255**2 / error):.1f} dB"
    captions = ("original", f"reconstruction, {decibel}", "tokens")[: len(files)]
    words = "".join(f"<span>{caption}</span>" for caption in captions)
    return f'<figure class="card sample"><div class="row">{images}</div><figcaption>{words}</figcaption></figure>\n'


def _usage(counts: tuple[str, list[np.ndarray]] | None, summary: dict[str, float]) -> str:
    levels = _levels(summary)
    if counts is None:
        return _section("Use of the codes", "", _absent("Code counts") + levels)
    split, hits = counts
    where = f"on the {split} split" if split else "on the evaluated split"
    note = (
        f"How often each code occurs {where}, the most used first. A flat line at 1× is an even use of all codes; "
        "where a line ends before 100 %, the remaining codes are dead."
    )
    drawing = plots.svg(plots.usage_figure(hits, plots.PAGE), "usage")
    return _section(
        "Use of the codes", note, f'<div class="usage"><div class="card plot">{drawing}</div>{levels}</div>'
    )


def _levels(summary: dict[str, float]) -> str:
    """Each level's own figures, a row a level; nothing where there is one level."""
    rows, splits = [row for row in summary_table(summary) if row.level is not None], columns(summary)
    if not rows:
        return ""
    names = list(dict.fromkeys(row.label.rpartition(", ")[0] for row in rows))
    cells = {(row.level, row.label.rpartition(", ")[0]): row for row in rows}
    head = "".join(
        f'<th class="number">{escape(name)}{" %" if cells[rows[0].level, name].unit == "%" else ""}</th>'
        for name in names
    )
    body = "\n".join(
        f'<tr><th scope="row">{level}</th>'
        + "".join(f'<td class="number">{escape(cells[level, name].cells.get(splits[0], ""))}</td>' for name in names)
        + "</tr>"
        for level in dict.fromkeys(row.level for row in rows)
    )
    return (
        f'<div class="card scroll"><table class="levels">\n<thead><tr><th>level, {splits[0]}</th>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _curves(curves: list[Curve]) -> str:
    panels = plots.curve_panels(curves)
    if not panels:
        return _section("Training", "", _absent("Training curves"))
    drawings = [plots.svg(plots.panel_figure(panel, plots.PAGE), f"curve{n}") for n, panel in enumerate(panels)]
    cards = "\n".join(f'<div class="card plot">{drawing}</div>' for drawing in drawings)
    return _section("Training", "Over the steps of the run.", f'<div class="curves">\n{cards}\n</div>')


def _provenance(provenance: dict[str, Any]) -> str:
    if not provenance:
        return _section("Where it comes from", "", _absent("Provenance"))
    parts = []
    command = provenance.get("command")
    if command:
        parts.append(f'<div class="card"><pre class="command">{escape(str(command))}</pre></div>')
    versions = provenance.get("versions")
    facts = {name: value for name, value in provenance.items() if name not in ("command", "versions", "overrides")}
    if isinstance(versions, dict):
        facts["versions"] = ", ".join(f"{name} {versions[name]}" for name in NAMED_VERSIONS if name in versions)
    parts.append(f'<div class="card more">{_definitions(facts)}</div>')
    if isinstance(versions, dict):
        parts.append(f'<details class="card"><summary>All versions</summary>{_definitions(versions)}</details>')
    return _section("Where it comes from", "The command repeats the run.", "\n".join(parts))


def _config(text: str | None) -> str:
    if text is None:
        return _section("Config", "", _absent("The config"))
    body = f'<details class="card"><summary>config.yaml, resolved</summary><pre>{escape(text)}</pre></details>'
    return _section("Config", "", body)


def _definitions(values: dict[str, Any]) -> str:
    lines = [f"<dt>{escape(name)}</dt><dd>{escape(_plain(value))}</dd>" for name, value in values.items()]
    return f"<dl>{''.join(lines)}</dl>"


def _plain(value: Any) -> str:
    """Nested plain data in one line of words."""
    if isinstance(value, dict):
        return " · ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(inner) for inner in value) or "none"
    if value is None:
        return "unknown"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _section(title: str, note: str, body: str) -> str:
    words = f'<p class="note">{escape(note)}</p>\n' if note else ""
    return f"<section>\n<h2>{escape(title)}</h2>\n{words}{body}\n</section>"


def _absent(what: str) -> str:
    return f'<p class="absent">{escape(what)}: not there.</p>'


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
