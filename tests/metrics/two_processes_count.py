"""Run by test_evaluation.py as one of two processes: evaluate a part of the batches."""

import json
import sys
from pathlib import Path

import torch
from tiny_tokenizer import batches, tokenizer
from torch import distributed

from signaltok.metrics.distortion import PeakSignalToNoiseRatio
from signaltok.metrics.evaluation import evaluate


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found = evaluate(tokenizer(), batches()[rank::2], metrics={"psnr": PeakSignalToNoiseRatio()})
    counts = [level.tolist() for level in found.counts]
    (folder / f"{rank}.json").write_text(json.dumps({"values": found.values, "counts": counts}))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
