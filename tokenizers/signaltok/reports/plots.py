"""Plots as matplotlib Figures of their own (no global state): use of the codes, and training curves."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from signaltok.reports.run_files import Curve

POINTS = 400  # a line is thinned to so many
PANELS = 9
FIRST = (
    "psnr",
    "ssim",
    "si_sdr",
    "log_mel_dac",
    "stoi",
    "loss",
    "reconstruction",
)  # the panels that come first, in this order
LAST = ("learning_rate",)
LEFT_OUT = ("tokens", "entropy_bits_per_pixel", "effective_bitrate", "dead")  # what other panels say already
LEVEL = re.compile(r"_(\d+)$")


@dataclass(frozen=True)
class Style:
    """Colours of a plot; the series are told apart by lightness too."""

    ink: str
    muted: str
    grid: str
    series: tuple[str, ...]


PAPER = Style("#1f2430", "#667085", "#e4e7ec", ("#2563eb", "#d97706", "#0f9f8f", "#9333ea", "#c2410c", "#64748b"))
# Placeholders that svg() turns into the page's colours, so that one drawing serves light and dark.
PAGE = Style("#010101", "#020202", "#030303", ("#040401", "#040402", "#040403", "#040404", "#040405", "#040406"))
_VARIABLES = {
    PAGE.ink: "var(--ink)",
    PAGE.muted: "var(--muted)",
    PAGE.grid: "var(--line)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(PAGE.series)},
}


@dataclass(frozen=True)
class Panel:
    """The curves of one metric."""

    title: str
    curves: tuple[Curve, ...]


def usage_figure(counts: Sequence[np.ndarray], style: Style) -> Figure:
    """Each level's code histogram, sorted, on a log axis: how often a code occurs against its even share."""
    figure = Figure(figsize=(5.6, 3.2), layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09))
    axes = _axes(figure, style)
    axes.axhline(1, color=style.muted, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        "even use", (1, 1), xycoords=("axes fraction", "data"), xytext=(0, 4), textcoords="offset points",
        ha="right", color=style.muted, fontsize=9,
    )  # fmt: skip
    for level, hits in enumerate(counts):
        shares = np.sort(hits[hits > 0].astype(np.float64))[::-1] * len(hits) / max(1, hits.sum())
        if not len(shares):
            continue
        place = np.unique(np.linspace(0, len(shares) - 1, min(POINTS, len(shares))).round().astype(int))
        colour = style.series[level % len(style.series)]
        x = np.append((place + 0.5) / len(hits) * 100, len(shares) / len(hits) * 100)
        y = np.append(shares[place], shares[-1])
        label = f"level {level}: {len(shares) / len(hits):.1%} of {len(hits):,} codes"
        axes.plot(x, y, color=colour, linewidth=1.8, label=label)
        if len(counts) == 1:
            axes.fill_between(x, y, y.min() * 0.7, color=colour, alpha=0.12, linewidth=0)
        if len(shares) < len(hits):
            axes.plot(x[-1:], y[-1:], "o", color=colour, markersize=4)
    axes.set_yscale("log")
    axes.set_xlim(0, 100)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.set_xlabel("codes, most used first (% of the codebook)", color=style.muted, fontsize=9.5)
    axes.set_ylabel("times the even share", color=style.muted, fontsize=9.5)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, labelcolor=style.ink, loc="upper right", ncols=1 + (len(counts) > 4))
    return figure


def curve_panels(curves: Sequence[Curve]) -> list[Panel]:
    """Curves of train and val by metric, the telling ones first. Left out: what never changes, and single levels
    of a metric that has one level only.
    """
    groups: dict[str, list[Curve]] = {}
    names = {curve.name for curve in curves}
    for curve in curves:
        split, _, metric = curve.name.partition("/")
        level = LEVEL.search(metric)
        base = LEVEL.sub("", metric)
        if level and f"{split}/{base}" in names:
            if f"{split}/{base}_1" not in names:
                continue
            metric = base
        if metric and metric not in LEFT_OUT and np.isfinite(curve.values).any():
            groups.setdefault(metric, []).append(curve)
    panels = [Panel(name.replace("_", " "), tuple(group)) for name, group in groups.items() if _changes(group)]
    order = {name.replace("_", " "): rank for rank, name in enumerate(FIRST)} | {
        name.replace("_", " "): 1000 for name in LAST
    }
    return sorted(panels, key=lambda panel: (order.get(panel.title, 100), panel.title))[:PANELS]


def panel_figure(panel: Panel, style: Style) -> Figure:
    """One panel as a figure of its own."""
    figure = Figure(figsize=(4.0, 2.5), layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09))
    _draw(_axes(figure, style), panel, style)
    return figure


def level_figures(values: dict[int, dict[str, float]], style: Style) -> list[Figure]:
    """A figure for each metric of FIRST: its value over the bits that the first so many levels take."""
    if len(values) < 2:
        return []
    rows = list(values.values())
    rate, unit, factor = ("bitrate", "kb/s", 1e-3) if "bitrate" in rows[0] else ("bits_per_pixel", "bits a pixel", 1.0)
    figures = []
    for name in FIRST:
        if any(name not in row or rate not in row for row in rows):
            continue
        figure = Figure(figsize=(4.0, 2.5), layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09))
        axes = _axes(figure, style)
        points = sorted((row[rate] * factor, row[name]) for row in rows)
        axes.plot(*zip(*points, strict=True), "o-", color=style.series[0], linewidth=1.8, markersize=4)
        axes.set_title(name.replace("_", " "), loc="left", color=style.ink, fontsize=10.5)
        axes.set_title(unit, loc="right", color=style.muted, fontsize=8.5)
        figures.append(figure)
    return figures


def curves_figure(panels: Sequence[Panel], style: Style) -> Figure:
    """All panels in one figure, three across."""
    across = min(3, len(panels))
    down = math.ceil(len(panels) / across)
    figure = Figure(figsize=(4.0 * across, 2.6 * down), layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09))
    for number, panel in enumerate(panels):
        _draw(_axes(figure, style, (down, across, number + 1)), panel, style)
    return figure


def png(figure: Figure) -> bytes:
    """A figure as a PNG file on white."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=144, facecolor="white", metadata={"Software": None})
    return file.getvalue()


def svg(figure: Figure, name: str) -> str:
    """A figure drawn with PAGE as an <svg> element whose colours and letters are the page's. name: unique on it."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font-family: [^;\"]*;?", "", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text


def _axes(figure: Figure, style: Style, place: tuple[int, int, int] = (1, 1, 1)) -> Axes:
    axes = figure.add_subplot(*place)
    axes.set_facecolor("none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(style.grid)
    axes.grid(axis="y", color=style.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=style.muted, labelsize=9, length=0)
    return axes


def _draw(axes: Axes, panel: Panel, style: Style) -> None:
    """The curves of a panel: val in the first colour, train in the second, single levels thin behind them."""
    lowest, highest = math.inf, -math.inf
    for curve in panel.curves:
        split, _, metric = curve.name.partition("/")
        colour = style.series[0 if split == "val" else 1 if split == "train" else 2]
        single = LEVEL.search(metric) is not None
        finite = np.isfinite(curve.values)
        steps, values = thinned(curve.steps[finite], curve.values[finite])
        lowest, highest = min(lowest, values.min()), max(highest, values.max())
        marker = "o" if len(values) <= 12 and not single else None
        axes.plot(
            steps, values, color=colour, linewidth=0.8 if single else 1.8, alpha=0.45 if single else 1.0,
            marker=marker, markersize=3.5, label="_" if single else split,
        )  # fmt: skip
    if lowest > 0 and highest / lowest > 30 and panel.title not in ("learning rate", "perplexity"):
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(_short))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(_short))
    axes.set_title(panel.title, loc="left", color=style.ink, fontsize=10.5, fontweight="bold")
    if len({curve.name.partition("/")[0] for curve in panel.curves}) > 1:
        axes.legend(frameon=False, fontsize=8.5, labelcolor=style.muted, handlelength=1.2)
    else:
        split = panel.curves[0].name.partition("/")[0]
        axes.set_title(split, loc="right", color=style.muted, fontsize=8.5)


def thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most POINTS points: the means of runs of neighbours, the last point kept as it is."""
    if len(values) <= POINTS:
        return steps, values
    starts = np.linspace(0, len(values) - 1, POINTS, dtype=int)[:-1]
    sizes = np.diff(np.append(starts, len(values) - 1))
    means = [np.add.reduceat(series[:-1].astype(np.float64), starts) / sizes for series in (steps, values)]
    return np.append(means[0], steps[-1]), np.append(means[1], values[-1])


def _changes(curves: Sequence[Curve]) -> bool:
    """Whether there is anything to see: values that are finite and not all the same, or one point alone."""
    values = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in curves])
    return len(values) > 0 and (len(values) == 1 or np.ptp(values) > 0)


def _short(value: float, _: object) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    if 0 < abs(value) < 1e-3:
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-")
    return f"{value:g}"
