"""How far codes lie from what they stand for, beside what is reconstructed: short runs in a plain loop, a row each.

    python benchmarks/quantization_error.py --seeds 0,1,2 image_vqvae "image_contrastive quantizer.codebook_dim=8"

An argument is an experiment of pictures with one codebook, and overrides. All get the same networks (widths 32 and 64,
one block), batches of four and steps. On every fourth tile of the test split: PSNR, usage, perplexity; the mean squared
distance of the inner latents to their codes, as a share of their variance (error), and what it would be if every code
stood at the mean of its positions (means); the participation ratio of their covariance (dimensions).
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from signaltok.data.signal_data import SignalData
from signaltok.metrics.distortion import psnr
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.contrastive import ContrastiveQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.config.build import build
from signaltok.training.config.resolve import plain, prepare

ROOT = Path(__file__).parents[1]
SMALL = ("encoder.widths=[32,64]", "decoder.widths=[64,32]", "encoder.depth=1", "decoder.depth=1", "data.batch_size=4")
EVERY = 4
COLUMNS = ("run", "seed", "PSNR dB", "usage %", "perplexity", "error %", "means %", "dimensions")


def composed(run: str, steps: int) -> dict[str, Any]:
    experiment, *overrides = run.split()
    places = [f"paths.{name}={ROOT}" for name in ("root_dir", "output_dir", "log_dir")]  # nothing is written there
    given = [f"experiment={experiment}", "trainer=cpu", f"trainer.max_steps={steps}", *places]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return plain(compose("train", [*SMALL, *given, *overrides]))


def trained(settings: dict[str, Any], data: SignalData, steps: int, seed: int) -> Tokenizer:
    """As train.py trains it, but for what it logs and keeps."""
    torch.manual_seed(seed)
    parts = {name: build(settings[name]) for name in ("encoder", "quantizer", "decoder")}
    tokenizer, objective = build(settings["tokenizer"], **parts).train(), build(settings["objective"])
    objective.check(tokenizer.quantizer)
    optimization = build(settings["optimization"])
    parameters = [*tokenizer.parameters(), *objective.parameters()]
    optimizer = optimization.optimizer(parameters)
    batches = data.train_loader(seed=seed, num_batches=steps, start_batch=0, rank=0, world=1)
    for step, batch in enumerate(batches):
        for part in (tokenizer.quantizer, objective):
            part.advance(step / steps)
        for group in optimizer.param_groups:
            group["lr"] = optimization.rate(step, steps)
        total, _ = objective(batch, tokenizer(batch.signal))
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(parameters, settings["trainer"]["gradient_clip_val"])
        optimizer.step()
    return tokenizer.eval()


def inner(quantizer: VectorQuantizer | ContrastiveQuantizer, latent: Tensor) -> Tensor:
    """The vectors [n, d] that are compared with the codes."""
    rows = quantizer.project_in(latent.movedim(1, -1).reshape(-1, quantizer.latent_dim))
    if isinstance(quantizer, ContrastiveQuantizer):
        return quantizer.chart.lift(rows)
    return torch.nn.functional.normalize(rows, dim=1) if quantizer.spherical else rows


@torch.no_grad()
def measured(tokenizer: Tokenizer, data: SignalData) -> list[float]:
    """The columns after the seed."""
    quantizer = tokenizer.quantizer
    assert isinstance(quantizer, VectorQuantizer | ContrastiveQuantizer), f"no one book: {type(quantizer).__name__}"
    decibels, codes, rows = [], [], []
    for batch in data.eval_loader("test", rank=0, world=1):
        for signal in batch.signal.split(64):
            result = tokenizer(signal[::EVERY])
            decibels.append(psnr(signal[::EVERY], result.signal.clamp(*tokenizer.value_range), tokenizer.value_range))
            codes.append(result.quantized.codes[0].flatten())
            rows.append(inner(quantizer, result.latent))
    found, u = torch.cat(codes), torch.cat(rows)
    entries = quantizer.code_vectors()[0].searched
    counts = torch.bincount(found, minlength=len(entries)).to(u)
    share = counts / counts.sum()
    means = torch.zeros_like(entries).index_add_(0, found, u) / counts.clamp_min(1)[:, None]
    variance = (u - u.mean(0)).square().sum(1).mean()
    spread = torch.linalg.eigvalsh(torch.cov(u.T)).clamp_min(0)
    return [
        float(torch.cat(decibels).mean()),
        100 * float((counts > 0).double().mean()),
        float((-torch.xlogy(share, share).sum()).exp()),
        *(100 * float((u - table[found]).square().sum(1).mean() / variance) for table in (entries, means)),
        float(spread.sum().square() / spread.square().sum()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", default="0")
    options = parser.parse_args()
    torch.set_num_threads(1)
    prepare()
    sys.stdout.write(" | ".join(COLUMNS) + "\n")
    for run in options.runs:
        settings = composed(run, options.steps)
        data = build(settings["data"])
        for seed in map(int, options.seeds.split(",")):
            values = measured(trained(settings, data, options.steps, seed), data)
            sys.stdout.write(" | ".join([run, str(seed), *(f"{value:.2f}" for value in values)]) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
