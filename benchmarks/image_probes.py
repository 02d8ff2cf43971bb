"""What codes keep of what a picture shows beside what they keep of its pixels: one table of several tokenizers.

    python train.py experiment=image_vqvae                  (and image_contrastive, unitok_small: a run each)
    python data/fetch/fashion_mnist.py UNPACKED data/downloads/fashion_mnist             (its docstring says how)
    python benchmarks/image_probes.py image_vqvae=RUN image_contrastive=RUN unitok_small=RUN

A run or an exported tokenizer a row, on the test pictures of Fashion-MNIST, which need not be what it was trained on:
PSNR, usage, bits a picture, and the accuracy of a linear probe at each tap of metrics=image_probe_codes, fitted
to one half of the pictures and measured on the other. Below them, without any tokenizer, the probe on the pixels.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from signaltok.data.picture_sets import FashionMNISTData
from signaltok.metrics.distortion import PeakSignalToNoiseRatio
from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.probe import LinearProbe, is_held_out
from signaltok.metrics.taps import TAPS
from signaltok.tokenizer import Tokenizer
from signaltok.training.start import read_tokenizer
from signaltok.types.batch import Batch

PENALTY = 1e-3  # an item, as in metrics=image_probe
BATCH = 100


def pictures(root: Path, items: int) -> list[Batch]:
    """The first test pictures, in batches; `items` is rounded up to whole batches."""
    data = FashionMNISTData(
        root=str(root), download=False, size=28, augmentation=None, evaluation="tiles", batch_size=BATCH,
        eval_batch_size=BATCH, num_workers=0,
    )  # fmt: skip
    batches: Iterator[Batch] = iter(data.eval_loader("test", rank=0, world=1))
    return list(islice(batches, -(-items // BATCH)))


def row(tokenizer: Tokenizer, batches: list[Batch]) -> dict[str, float]:
    """PSNR in dB, bits a picture with all codes counted alike, usage and the probes as shares; by name."""
    metrics = {"psnr": PeakSignalToNoiseRatio()} | {tap: LinearProbe(tap=tap, penalty=PENALTY) for tap in TAPS}
    values = evaluate(tokenizer, batches, metrics=metrics).values
    positions = batches[0].signal[0, 0].numel()
    return {"bits": values["bits_per_pixel"] * positions} | {name: values[name] for name in ("psnr", "usage", *TAPS)}


def of_pixels(batches: list[Batch]) -> float:
    """The accuracy of the same probe on the pictures themselves."""
    signal = torch.cat([batch.signal[:, :1] for batch in batches]).flatten(1).double()
    labels = torch.cat([batch.labels for batch in batches if batch.labels is not None])
    apart = torch.tensor([is_held_out(key) for batch in batches for key in batch.keys])
    return LinearProbe(tap="encoder", penalty=PENALTY).measure(signal, labels, apart)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizers", nargs="+", metavar="NAME=PATH", help="a run or an exported folder, and its name")
    parser.add_argument(
        "--data", type=Path, default=Path("data/downloads/fashion_mnist"), help="where the pictures are"
    )
    parser.add_argument("--items", type=int, default=10_000, help="how many of the test pictures")
    options = parser.parse_args()
    batches = pictures(options.data, options.items)
    table = Table(title=f"Fashion-MNIST, {sum(len(batch.keys) for batch in batches):,} test pictures")
    for name in ("tokenizer", "bits", "PSNR dB", "usage %", *(f"{tap} %" for tap in TAPS)):
        table.add_column(name, justify="left" if name == "tokenizer" else "right")
    for text in options.tokenizers:
        name, equals, path = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} has no name; write image_vqvae={text}")
        values = row(read_tokenizer(Path(path), "last"), batches)
        shares = (f"{100 * values[column]:.1f}" for column in ("usage", *TAPS))
        table.add_row(name, f"{values['bits']:.0f}", f"{values['psnr']:.2f}", *shares)
    table.add_row("pixels alone", "", "", "", f"{100 * of_pixels(batches):.1f}", "", "", "")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
