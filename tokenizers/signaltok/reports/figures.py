"""Figures of record: the one function that turns a summary into the numbers that every command shows."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

SPLITS = ("test", "val")
RUN = "run"  # the column of what belongs to the whole run and to no split


@dataclass(frozen=True)
class Row:
    """One figure: its label, its unit (may be empty), what it means, its text by column, and the level it is of."""

    label: str
    unit: str
    meaning: str
    cells: dict[str, str]
    level: int | None = None


@dataclass(frozen=True)
class Figure:
    """What a figure is: label, unit (may be empty), meaning, the text of a value, and which values are better.

    better: "more", "less", or empty where neither is.
    """

    label: str
    unit: str
    meaning: str
    text: Callable[[float], str]
    better: str


def _decimals(digits: int, factor: float = 1.0) -> Callable[[float], str]:
    return lambda value: f"{value * factor:,.{digits}f}" if math.isfinite(value) else str(value)


_FIGURES = {
    "psnr": Figure("PSNR", "dB", "mean over items; an item without error counts as 100", _decimals(2), "more"),
    "ssim": Figure("SSIM", "", "mean over items; 1 is identical", _decimals(4), "more"),
    "motion_psnr": Figure("motion PSNR", "dB", "of what changes from frame to frame", _decimals(2), "more"),
    "fd_video": Figure("FD-video", "", "Fréchet distance of a video network's features; not FVD", _decimals(2), "less"),
    "fd_effnet": Figure("FD-effnet", "", "Fréchet distance of EfficientNet features; not FID", _decimals(3), "less"),
    "kid_effnet": Figure("KID-effnet", "", "kernel distance of EfficientNet features; not KID", _decimals(5), "less"),
    "fid": Figure("FID", "", "Fréchet distance of Inception features", _decimals(2), "less"),
    "kid": Figure("KID", "", "kernel distance of Inception features", _decimals(5), "less"),
    "bits_per_token": Figure("bits per token", "bit", "of all ids, by the language model", _decimals(3), "less"),
    "overfit_bits": Figure("overfit", "bit", "a token of documents learned by heart", _decimals(4), "less"),
    "parse_rate": Figure("samples that parse", "%", "drawn as the grammar allows", _decimals(1, 100), "more"),
    "parse_rate_unconstrained": Figure(
        "samples that parse, unconstrained", "%", "drawn of all ids", _decimals(1, 100), "more"
    ),
    "probe_encoder": Figure("probe, encoder", "%", "linear probe before quantization", _decimals(1, 100), "more"),
    "probe_z_q": Figure("probe, z_q", "%", "linear probe of what the decoder is given", _decimals(1, 100), "more"),
    "probe_code_embedding": Figure(
        "probe, code embedding", "%", "linear probe of the vectors of the codes", _decimals(1, 100), "more"
    ),
    "probe_code_bag": Figure("probe, code bag", "%", "linear probe of the shares of codes", _decimals(1, 100), "more"),
    "zero_shot": Figure("zero-shot", "%", "the nearest of the classes' texts is the label", _decimals(1, 100), "more"),
    "si_sdr": Figure("SI-SDR", "dB", "mean over items, each between −100 and 100", _decimals(2), "more"),
    "log_mel_dac": Figure("log-mel distance", "", "DAC's seven windows; 0 is identical", _decimals(3), "less"),
    "stft_512to2048": Figure("STFT distance", "", "windows 2048 and 512; 0 is identical", _decimals(3), "less"),
    "stoi": Figure("STOI", "", "intelligibility of speech; 1 is identical", _decimals(3), "more"),
    "pesq": Figure("PESQ", "", "quality of speech, 1 to 4.64", _decimals(2), "more"),
    "visqol": Figure("ViSQOL", "", "quality, 1 to 5", _decimals(2), "more"),
    "bitrate": Figure("bitrate", "kb/s", "tokens a second × log₂ of the codebook size", _decimals(3, 1e-3), "less"),
    "effective_bitrate": Figure(
        "effective bitrate", "kb/s", "tokens a second × entropy of the code histogram", _decimals(3, 1e-3), "less"
    ),
    "tokens_per_second": Figure("tokens a second", "tokens", "of all levels, counted", _decimals(1), "less"),
    "bits_per_pixel": Figure(
        "bits per pixel", "bit", "tokens × log₂ of the codebook size, by pixel", _decimals(4), "less"
    ),
    "entropy_bits_per_pixel": Figure(
        "entropy bits per pixel", "bit", "tokens × entropy of the code histogram, by pixel", _decimals(4), "less"
    ),
    "usage": Figure("usage", "%", "share of the codes hit over the whole split", _decimals(1, 100), "more"),
    "perplexity": Figure("perplexity", "codes", "2 to the entropy of the code histogram", _decimals(1), "more"),
    "entropy": Figure("entropy", "bit", "a token, of the code histogram", _decimals(3), "more"),
    "joint_entropy_bits": Figure("joint entropy", "bit", "of the codes of all levels together", _decimals(3), "more"),
    "mi_between_codebooks": Figure(
        "information between codebooks", "bit", "that two levels share, mean over their pairs", _decimals(3), "less"
    ),
    "dead": Figure("dead codes", "codes", "never hit on the split", _decimals(0), "less"),
    "tokens": Figure("tokens seen", "tokens", "counted over the split", _decimals(0), ""),
}  # fmt: skip
_BY_STREAM = {
    "bits_per_token_": ("bits per token", "of the codes, by the language model"),
    "unigram_": ("unigram entropy", "of the same codes, each level's own"),
    "bits_per_dimension_": ("bits per raw dimension", "by the language model, headers included"),
    "control_bits_per_token_": ("shuffled control", "bits per token of a model on shuffled codes"),
}
_TAPS = {
    "pre": "before quantization",
    "adc": "quantized, beside the text as it is",
    "post": "both quantized",
    "codes": "by the number of equal codes",
}
_TIMES = {
    "train/seconds": Figure("training time", "s", "training steps alone", _decimals(1), "less"),
    "run/seconds": Figure("run time", "s", "the whole run, evaluation included", _decimals(1), "less"),
}
_MINIMUM = {"usage", "perplexity"}  # of a stack: the least of its levels


def summary_table(summary: dict[str, float], protocols: dict[str, str] | None = None) -> list[Row]:
    """The figures of a summary (flat `<split>/<name>`), in the order in which they are shown everywhere.

    A split is a column ("test", "val"); times have the column "run". Where the codes have several levels, each
    level's own figures follow. A name that this file does not know (a metric of the user's own) keeps its name.
    protocols: `<split>/<name>` -> how a number came about, which then follows its meaning.
    """
    splits = columns(summary)
    names = {key.split("/", 1)[1] for key in summary for split in splits if key.startswith(f"{split}/")}
    several = "usage_1" in names
    rows = [_row(name, figure, several, summary, splits) for name, figure in _FIGURES.items() if name in names]
    levels = sorted((name for name in names if _level(name) is not None), key=lambda name: (_order(name), name))
    if several:
        rows += [_row_of_level(name, summary, splits) for name in levels]
    for name in sorted(names - set(_FIGURES) - set(levels)):
        rows.append(_row(name, _own(name), several, summary, splits))
    for key, figure in _TIMES.items():
        if key in summary:
            rows.append(Row(figure.label, figure.unit, figure.meaning, {RUN: figure.text(summary[key])}))
    return [_with_protocol(row, protocols or {}) for row in rows]


def level_rows(curve: dict[int, dict[str, float]]) -> list[tuple[str, str, list[str]]]:
    """Of values by the number of levels that are decoded: label, unit and a text a number, in the order shown."""
    names = [key.removeprefix("val/") for key in in_order({f"val/{name}" for row in curve.values() for name in row})]
    rows = []
    for name in names:
        if _level(name) is None:
            about = figure(f"val/{name}")
            rows.append(
                (about.label, about.unit, [about.text(row[name]) if name in row else "" for row in curve.values()])
            )
    return rows


def figure(key: str) -> Figure:
    """What the figure of a summary's key (`test/psnr`, `val/usage_1`, `train/seconds`) is."""
    if key in _TIMES:
        return _TIMES[key]
    name = key.split("/", 1)[-1]
    if name in _FIGURES:
        return _FIGURES[name]
    level = _level(name)
    if level is None:
        return _own(name)
    base = _FIGURES[name.rsplit("_", 1)[0]]
    return replace(base, label=f"{base.label}, level {level}", meaning="")


def in_order(keys: Iterable[str]) -> list[str]:
    """Those keys of summaries that are figures, in the order in which they are shown everywhere, each once.

    Split by split. Where all the codes have one level, its own figures say nothing new and are left out.
    """
    known = set(keys)
    ordered = []
    for split in SPLITS:
        names = {key.removeprefix(f"{split}/") for key in known if key.startswith(f"{split}/")}
        levels = {name for name in names if _level(name) is not None}
        ordered += [f"{split}/{name}" for name in _FIGURES if name in names]
        ordered += [f"{split}/{name}" for name in sorted(names - set(_FIGURES) - levels)]
        if "usage_1" in names:
            ordered += [f"{split}/{name}" for name in sorted(levels, key=lambda name: (_order(name), name))]
    return ordered + [key for key in _TIMES if key in known]


def columns(summary: dict[str, float]) -> list[str]:
    """The splits that a summary has values of, the most telling first."""
    return [split for split in SPLITS if any(key.startswith(f"{split}/") for key in summary)]


def _own(name: str) -> Figure:
    """A figure that this file does not list: a recall, a metric of the user's own, or a loss."""
    found = re.fullmatch(r"recall_at_(\d+)_(\w+)_to_(\w+)_(\w+)", name)
    if found and found[4] in _TAPS:
        label = f"R@{found[1]}, {found[2]} to {found[3]}, {found[4]}"
        return Figure(label, "%", f"found among the first {found[1]}; {_TAPS[found[4]]}", _decimals(1, 100), "more")
    for prefix, (label, meaning) in _BY_STREAM.items():
        if name.startswith(prefix):
            return Figure(f"{label}, {name.removeprefix(prefix)}", "bit", meaning, _decimals(4), "less")
    return Figure(name.replace("_", " "), "", "", lambda value: f"{value:.4g}", "less" if name == "loss" else "")


def _row(name: str, figure: Figure, several: bool, summary: dict[str, float], splits: list[str]) -> Row:
    meaning = figure.meaning
    if several and name in _MINIMUM:
        meaning += "; the least of the levels"
    return Row(figure.label, figure.unit, meaning, _cells(name, figure, summary, splits))


def _with_protocol(row: Row, protocols: dict[str, str]) -> Row:
    names = {
        split: f"{split}/{name}"
        for split in row.cells
        for name, figure in _FIGURES.items()
        if figure.label == row.label
    }
    told = {split: protocols[name] for split, name in names.items() if name in protocols}
    if not told:
        return row
    texts = list(told.values())
    if len(texts) == len(row.cells) and len(set(texts)) == 1:
        return replace(row, meaning=f"{row.meaning}; {texts[0]}")
    return replace(row, meaning="; ".join([row.meaning, *(f"{split}: {text}" for split, text in told.items())]))


def _row_of_level(name: str, summary: dict[str, float], splits: list[str]) -> Row:
    base, level = name.rsplit("_", 1)
    figure = _FIGURES[base]
    return Row(
        f"{figure.label}, level {level}", figure.unit, "", _cells(name, figure, summary, splits), level=int(level)
    )


def _cells(name: str, figure: Figure, summary: dict[str, float], splits: list[str]) -> dict[str, str]:
    found = {split: summary[f"{split}/{name}"] for split in splits if f"{split}/{name}" in summary}
    return {split: figure.text(float(value)) for split, value in found.items()}


def _level(name: str) -> int | None:
    """The level of `usage_3` and its like; None for every other name."""
    base, _, level = name.rpartition("_")
    return int(level) if base in _FIGURES and level.isdecimal() else None


def _order(name: str) -> tuple[int, int]:
    level = _level(name)
    assert level is not None, name
    return level, list(_FIGURES).index(name.rsplit("_", 1)[0])
