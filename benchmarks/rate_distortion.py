"""Rate and distortion on whole test photographs, against JPEG and WebP.

python benchmarks/rate_distortion.py RUN_OR_TOKENIZER... [--plot docs/rate_distortion.png] [--json]

A tokenizer's rate is given twice: with codes of fixed length (log2 of the codebook size a token), and as the entropy of
each level's code histogram over these photographs, which is what an arithmetic coder comes near that knows it. JPEG and
WebP: Pillow's encoders at their most careful (optimized and progressive; method 6) over their qualities, whole files
without metadata, headers included. PSNR is the mean over the photographs; at equal rates the curves are read between
their points.
"""

import argparse
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from signaltok.data.picture_sets import FolderData
from signaltok.data.read_image import read_image
from signaltok.tokenizer import Tokenizer
from signaltok.training.start import read_tokenizer

ROOT = Path(__file__).parents[1]
BEST = {"JPEG": {"optimize": True, "progressive": True}, "WebP": {"method": 6}}
QUALITIES = {"JPEG": (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60), "WebP": (0, 1, 2, 4, 7, 10, 15, 20, 30, 40, 50, 60)}


@dataclass(frozen=True)
class Point:
    name: str
    bits: float  # a pixel
    decibel: float


def photographs() -> list[Path]:
    data = FolderData(
        root=str(ROOT / "data/photos"), split="hash", resize=None, cache_megabytes=0, size=64, augmentation=None,
        evaluation="tiles", batch_size=1, eval_batch_size=1, num_workers=0,
    )  # fmt: skip
    return [ROOT / "data/photos" / key for key in data.source.keys("test")]


def psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    error = np.mean((original.astype(np.float64) - decoded.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error))


def of_codec(kind: str, quality: int, pictures: list[Image.Image]) -> Point:
    bits, decibel = [], []
    for picture in pictures:
        file = io.BytesIO()
        picture.save(file, kind, quality=quality, **BEST[kind])
        bits.append(8 * len(file.getvalue()) / (picture.width * picture.height))
        decibel.append(psnr(np.asarray(picture), np.asarray(Image.open(file).convert("RGB"))))
    return Point(f"{kind} {quality}", float(np.mean(bits)), float(np.mean(decibel)))


def of_tokenizer(name: str, model: Tokenizer, paths: list[Path]) -> tuple[Point, Point]:
    """With codes of fixed length, and with entropy bits."""
    low, high = model.value_range
    histograms = [torch.zeros(size, dtype=torch.float64) for size in model.quantizer.codebook_sizes]
    fixed, pixels, decibel = 0.0, 0, []
    for path in paths:
        signal = read_image(path)[None]
        stack = model.encode(signal)
        decoded = ((model.decode(stack)[0].clamp(low, high) - low) * (255 / (high - low))).round()
        original = ((signal[0] - low) * (255 / (high - low))).round()
        decibel.append(psnr(original.numpy(), decoded.numpy()))
        pixels += signal.shape[2] * signal.shape[3]
        for histogram, level, size in zip(histograms, stack.levels, stack.codebook_sizes, strict=True):
            fixed += level.numel() * float(np.log2(size))
            histogram += torch.bincount(level.flatten(), minlength=size)
    entropy = sum(float((-h * torch.log2((h / h.sum()).clamp_min(1e-300))).sum()) for h in histograms)
    mean = float(np.mean(decibel))
    return Point(name, fixed / pixels, mean), Point(name, entropy / pixels, mean)


def measure(runs: dict[str, Path], checkpoint: str) -> tuple[list[tuple[str, Point]], dict[str, list[Point]]]:
    """The points of complete runs by name, as (fixed or entropy, point), and the curve of each file format."""
    paths = photographs()
    pictures = [Image.fromarray(np.asarray(Image.open(path).convert("RGB"))) for path in paths]  # without metadata
    curves = {kind: [of_codec(kind, quality, pictures) for quality in values] for kind, values in QUALITIES.items()}
    points: list[tuple[str, Point]] = []
    for name, run in runs.items():
        fixed, entropy = of_tokenizer(name, read_tokenizer(run, checkpoint), paths)
        points += [("fixed", fixed), ("entropy", entropy)]
    return points, curves


def read_at(curve: list[Point], bits: float) -> float | None:
    """PSNR of a codec at a rate, between its points; None outside them."""
    points = sorted(curve, key=lambda point: point.bits)
    if not points[0].bits <= bits <= points[-1].bits:
        return None
    return float(np.interp(bits, [p.bits for p in points], [p.decibel for p in points]))


def gaps(points: Iterable[tuple[str, Point]], curves: dict[str, list[Point]]) -> list[dict[str, object]]:
    rows = []
    for kind, point in points:
        found = {name: read_at(curve, point.bits) for name, curve in curves.items()}
        ahead = {f"ahead_of_{n.lower()}": None if v is None else point.decibel - v for n, v in found.items()}
        rows.append(
            {"tokenizer": point.name, "rate": kind, "bits_per_pixel": point.bits, "psnr": point.decibel, **ahead}
        )
    return rows


def draw(path: Path, points: list[tuple[str, Point]], curves: dict[str, list[Point]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8.4, 4.6), dpi=120)
    for (name, curve), style in zip(curves.items(), ("--", ":"), strict=True):
        ordered = sorted(curve, key=lambda point: point.bits)
        axes.plot([p.bits for p in ordered], [p.decibel for p in ordered], style, color="0.45", label=name)
    names = list(dict.fromkeys(point.name for _, point in points))
    for kind, point in points:
        colour = f"C{names.index(point.name)}"
        fixed = kind == "fixed"
        axes.plot(
            point.bits, point.decibel, "o", color=colour, markerfacecolor=colour if fixed else "none",
            label=point.name if fixed else None,
        )  # fmt: skip
    bits = [p.bits for curve in curves.values() for p in curve] + [p.bits for _, p in points]
    axes.set(
        xscale="log", xlabel="bits a pixel (filled: fixed length, hollow: entropy)", ylabel="PSNR, dB",
        xlim=(0.9 * min(bits), 1.1 * max(bits)),
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="training runs; the name shown is NAME in NAME=RUN"
    )
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true", help="the last line is a JSON list of the rows")
    options = parser.parse_args()
    runs = {}
    for entry in options.runs:
        name, _, place = str(entry).rpartition("=")
        runs[name or Path(place).resolve().name] = Path(place)
    points, curves = measure(runs, "best")
    rows = gaps(points, curves)
    print(f"{len(photographs())} whole test photographs")
    print(f"{'tokenizer':<24}{'rate':>9}{'bits':>8}{'PSNR':>8}{'JPEG':>8}{'WebP':>8}   (dB ahead at equal bits)")
    for row in rows:
        ahead = "".join(
            f"{'outside' if row[key] is None else format(row[key], '+.2f'):>8}"
            for key in ("ahead_of_jpeg", "ahead_of_webp")
        )
        print(f"{row['tokenizer']:<24}{row['rate']:>9}{row['bits_per_pixel']:>8.3f}{row['psnr']:>8.2f}{ahead}")
    if options.plot:
        draw(options.plot, points, curves)
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
