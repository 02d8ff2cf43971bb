"""Embeddings made into pseudo-tokens after training: k-means over those of a clip_emoji run, beside it as it is.

    python train.py experiment=clip_emoji
    python benchmarks/pseudo_tokens.py outputs/latest

Books are fitted to pictures and texts of the training concepts by the library's own k-means, a book a group
(product), or a book a level of what the levels before left (residual); nothing is trained. Retrieval is on the test
split, as at the end of a run. The other two ways are runs: experiment=clip_codes, alone and with
quantizer=product_late.
"""

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from signaltok.data.signal_data import SignalData
from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.retrieval import Retrieval
from signaltok.parts import Alignment, Quantizer
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import KMeans
from signaltok.quantizers.codebook.update import ExponentialMovingAverage
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.config.build import build
from signaltok.training.config.resolve import stored
from signaltok.training.start import read_alignment, read_tokenizer

SIZE, ITERATIONS = 256, 20
TAPS = ("adc", "post", "codes")
RANKS = (1, 5, 10)


def book(dim: int) -> VectorQuantizer:
    """A codebook that k-means fills with the first rows it is shown."""
    return VectorQuantizer(
        latent_dim=dim, codebook_size=SIZE, codebook_dim=dim, metric="euclidean",
        update=ExponentialMovingAverage(decay=0.99, epsilon=1e-5), estimator=StraightThrough(),
        initialization=KMeans(iterations=ITERATIONS), revival=None,
    )  # fmt: skip


def books(dim: int) -> dict[str, Quantizer]:
    """The quantizers to fit, by what they are called."""
    residual = {
        "latent_dim": dim,
        "shared": False,
        "rescale": 1.0,
        "dropout": 0.0,
        "choices": None,
        "orthogonal": False,
    }
    return {
        "product 8 x 8 bits": GroupedQuantizer(latent_dim=dim, num_groups=8, member=book(dim // 8)),
        "residual 8 x 8 bits": ResidualQuantizer(num_codebooks=8, level=book(dim), **residual),
        "residual 4 x 8 bits": ResidualQuantizer(num_codebooks=4, level=book(dim), **residual),
        "one book of 8 bits": book(dim),
    }


@torch.no_grad()
def embeddings(tokenizer: Tokenizer, alignment: Alignment, data: SignalData) -> Tensor:
    """Latents [n, d, 1] of the pictures and the texts of the training split, as they are in evaluation."""
    found = []
    for batch in data.eval_loader("train", rank=0, world=1):
        found += [tokenizer.embed(batch.signal)[:, 0], alignment.as_latent(alignment.of_pairs(batch))[:, :, 0]]
    return torch.cat(found)[:, :, None]


def recalls(tokenizer: Tokenizer, alignment: Alignment, data: SignalData, taps: tuple[str, ...]) -> dict[str, float]:
    """By name."""
    metrics = {tap: Retrieval(tap=tap, ranks=RANKS, between=["image", "text"]) for tap in taps}
    found = evaluate(tokenizer, data.eval_loader("test", rank=0, world=1), metrics=metrics, alignment=alignment)
    return found.values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run of clip_emoji")
    run = parser.parse_args().run
    tokenizer, alignment, data = read_tokenizer(run, "last"), read_alignment(run, "last"), build(stored(run)["data"])
    if alignment is None:
        raise ValueError(f"{run} has no align term; give a run of clip_emoji")
    table = Table()
    for name in ("pseudo-tokens", "bits", "tap", *(f"R@{k} {way}" for way in ("i→t", "t→i") for k in RANKS)):
        table.add_column(name, justify="left" if name in ("pseudo-tokens", "tap") else "right")
    _row(table, "none", "", "pre", recalls(tokenizer, alignment, data, ("pre",)))
    latents = embeddings(tokenizer, alignment, data)
    for name, quantizer in books(tokenizer.encoder.latent_dim).items():
        torch.manual_seed(0)
        quantizer.train()(latents)
        tokenizer.quantizer = quantizer.eval()
        values = recalls(tokenizer, alignment, data, TAPS)
        bits = sum(size.bit_length() - 1 for size in quantizer.codebook_sizes)
        for tap in TAPS:
            _row(table, f"k-means, {name}", str(bits), tap, values)
    Console(width=120).print(table)


def _row(table: Table, name: str, bits: str, tap: str, values: dict[str, float]) -> None:
    cells = [
        f"{100 * values[f'recall_at_{k}_{way}_{tap}']:.1f}" for way in ("image_to_text", "text_to_image") for k in RANKS
    ]
    table.add_row(name, bits, tap, *cells)


if __name__ == "__main__":
    main()
