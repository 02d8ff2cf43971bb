"""Retrieval across styles: another vendor's drawing of the same concept, through the picture tower of a run.

    python train.py experiment=clip_emoji
    python data/fetch/emoji.py UNPACKED data/downloads/emoji_google --vendor google    (its docstring says how)
    python benchmarks/cross_style.py outputs/latest data/downloads/emoji_google

The run has seen neither the test concepts nor any drawing of the other vendor. Both drawings pass the same encoder; R@k
is of the one among all test drawings of the other style, before the quantizer (pre) and, where there are codes, of
quantized drawings beside those as they are (adc) and of both quantized (post). The last row is by pixels alone.
"""

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from signaltok.metrics.retrieval import Retrieval
from signaltok.parts import Alignment
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.config.build import build
from signaltok.training.config.resolve import stored
from signaltok.training.start import read_alignment, read_tokenizer

RANKS = (1, 5, 10)
STYLES = ("style", "other")
WAYS = ("style_to_other", "other_to_style")


@torch.no_grad()
def embedded(tokenizer: Tokenizer, alignment: Alignment, signal: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors [n, e] of pictures before and after the quantizer; each picture alone, as everywhere (law 2)."""
    result = tokenizer(signal)
    return (
        alignment.of_items(result.latent, result.mask).double(),
        alignment.of_items(result.quantized.z_q, result.mask).double(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run with an align term on data=emoji")
    parser.add_argument("other", type=Path, help="the folder of the other vendor's drawings")
    options = parser.parse_args()
    tokenizer, alignment = read_tokenizer(options.run, "last"), read_alignment(options.run, "last")
    if alignment is None:
        raise ValueError(f"{options.run} has no align term; give a run of clip_emoji, clip_codes or unitok_small")
    data = build(stored(options.run)["data"] | {"pair_root": str(options.other)})
    before, after, raw = ([], []), ([], []), ([], [])
    for batch in data.eval_loader("test", rank=0, world=1):
        assert batch.pair is not None, "the data were built with pairs"
        for side, signal in enumerate((batch.signal, batch.pair)):
            for kept, found in zip((before, after), embedded(tokenizer, alignment, signal), strict=True):
                kept[side].append(found)
            raw[side].append(F.normalize(signal.flatten(1).double() - 1, dim=1))  # white paper is zero
    (one, other), (one_q, other_q), (pixels, other_pixels) = (
        tuple(torch.cat(rows) for rows in sides) for sides in (before, after, raw)
    )
    rows = {"pre": one @ other.T}
    if not isinstance(tokenizer.quantizer, IdentityQuantizer):
        rows |= {"adc": one_q @ other.T, "post": one_q @ other_q.T}
    table = Table(title=f"{len(one)} drawings of concepts that were not trained on")
    for name in ("tap", *(f"R@{k} {way}" for way in WAYS for k in RANKS)):
        table.add_column(name, justify="left" if name == "tap" else "right")
    for name, scores in (rows | {"pixels": pixels @ other_pixels.T}).items():
        values = Retrieval(tap="pre", ranks=RANKS, between=STYLES).values(scores)
        table.add_row(name, *(f"{100 * values[f'recall_at_{k}_{way}_pre']:.1f}" for way in WAYS for k in RANKS))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
