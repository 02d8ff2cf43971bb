"""PSNR of a run's test split, decoded from the first levels of its codes: python benchmarks/prefix_levels.py RUN."""

import sys
from pathlib import Path

import torch

from signaltok.metrics.distortion import PeakSignalToNoiseRatio
from signaltok.tokenizer import Tokenizer
from signaltok.training.config.build import build
from signaltok.training.config.resolve import stored
from signaltok.training.start import read_tokenizer


def ratios(tokenizer: Tokenizer, batches: list[torch.Tensor]) -> list[float]:
    """Mean PSNR for one level, for two, and so on."""
    metric, (low, high) = PeakSignalToNoiseRatio(), tokenizer.value_range
    totals = torch.zeros(len(tokenizer.strides), dtype=torch.float64)
    for signal in batches:
        stack = tokenizer.encode(signal)
        for count in range(1, len(totals) + 1):
            decoded = tokenizer.decode(stack.first_levels(count)).clamp(low, high)
            totals[count - 1] += metric.measure(signal, decoded, (low, high), None).double().sum()
    return (totals / sum(len(signal) for signal in batches)).tolist()


def main(run: Path) -> None:
    tokenizer = read_tokenizer(run, "best").eval()
    data = build(stored(run)["data"])
    for count, value in enumerate(
        ratios(tokenizer, [batch.signal for batch in data.eval_loader("test", rank=0, world=1)]), 1
    ):
        print(f"{count} level(s): {value:.2f} dB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
