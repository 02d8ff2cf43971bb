"""Pictures a second that an experiment's tokenizer encodes: exactly, item by item, and in free shapes, as one batch.

python benchmarks/speed.py encoding [--experiments quickstart,image_fsq] [--json]

`exact` is Tokenizer.encode: every item alone at its own size, which is what makes codes independent of the batch.
`free` runs encoder and quantizer over the whole batch at once, under the same exact arithmetic; its last bits, and so
now and then a code, depend on the batch. Parts are untrained: speed does not depend on the weights. The two alternate;
the median of the rounds counts.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from signaltok.exactness import exact_arithmetic
from signaltok.tokenizer import Tokenizer
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.resolve import plain, prepare

CONFIGS = Path(__file__).parents[1] / "configs"
SIZES, BATCHES, ROUNDS = (64, 128, 256), (1, 32), 3


def tokenizer(experiment: str) -> Tokenizer:
    prepare()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train", ["paths.output_dir=run", f"experiment={experiment}"])
    torch.manual_seed(0)
    return build_tokenizer(plain(config)).eval()


def free(model: Tokenizer, signal: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad(), exact_arithmetic(signal.device):
        return model.quantizer.encode(model.encoder(signal, None))


def exact(model: Tokenizer, signal: Tensor) -> tuple[Tensor, ...]:
    return model.encode(signal).levels


def seconds(function: Callable[..., tuple[Tensor, ...]], model: Tokenizer, signal: Tensor) -> float:
    start = time.perf_counter()
    function(model, signal)
    return time.perf_counter() - start


def row(experiment: str, model: Tokenizer, size: int, batch: int) -> dict[str, object]:
    signal = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    codes = [function(model, signal) for function in (exact, free)]  # also warms up
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for function, found in zip((exact, free), times, strict=True):
            found.append(seconds(function, model, signal))
    ours, loose = (statistics.median(found) for found in times)
    differing = sum(int((a != b).sum()) for a, b in zip(*codes, strict=True))
    return {
        "experiment": experiment, "size": size, "batch": batch, "exact": batch / ours, "free": batch / loose,
        "ratio": loose / ours, "codes_differing": differing, "codes": sum(level.numel() for level in codes[0]),
    }  # fmt: skip


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="speed.py encoding", description=__doc__)
    parser.add_argument("--experiments", help="by default all that have codes, comma-separated")
    parser.add_argument("--json", action="store_true", help="the last line is a JSON list of the rows")
    options = parser.parse_args(arguments)
    there = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml") if not path.stem.startswith("lm_"))
    names = options.experiments.split(",") if options.experiments else there
    if unknown := set(names) - set(there):
        sys.exit(f"there is no experiment {', '.join(sorted(unknown))}; there are {', '.join(there)}")
    print(f"torch {torch.__version__}; {torch.get_num_threads()} threads, median of {ROUNDS}; pictures a second")
    print(
        f"{'experiment':<20}{'size':>5}{'batch':>6}{'exact':>9}{'free':>9}{'exact/free':>11}{'codes that differ':>19}"
    )
    rows = []
    for name in names:
        model = tokenizer(name)
        if not model.quantizer.codebook_sizes:
            continue
        for size in SIZES:
            for batch in BATCHES:
                found = row(name, model, size, batch)
                rows.append(found)
                print(
                    f"{name:<20}{size:>5}{batch:>6}{found['exact']:>9.1f}{found['free']:>9.1f}{found['ratio']:>11.2f}"
                    f"{found['codes_differing']:>12} of {found['codes']}",
                    flush=True,
                )
    if options.json:
        print(json.dumps(rows))
