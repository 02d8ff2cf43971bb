"""Run by test_evaluation.py as one of two processes: evaluate this process's share of several splits."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tiny_tokenizer import batches, tokenizer
from torch import distributed

from signaltok.data.image_data import ImageData
from signaltok.data.image_folder import ImageFolder
from signaltok.data.order import EvaluationShare
from signaltok.metrics.distortion import PeakSignalToNoiseRatio, StructuralSimilarity
from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.probe import LinearProbe
from signaltok.types.batch import Batch

PHOTOS = Path(__file__).parents[2] / "data" / "photos"
METRICS = {"psnr": PeakSignalToNoiseRatio(), "ssim": StructuralSimilarity()}


def share(items: int, rank: int, world: int) -> list[Batch]:
    """Batches of at most four of the first items."""
    signal = torch.cat([batch.signal for batch in batches()])
    order = EvaluationShare(items=items, batch_size=4, rank=rank, world=world)
    labels = torch.arange(len(signal)) % 3
    return [Batch(signal=signal[c], keys=tuple(map(str, c)), labels=labels[c]) for c in order]


def photos(rank: int, world: int) -> Iterable[Batch]:
    """The middles of the 13 photographs of the test split, two a batch: four batches and three."""
    data = ImageData(
        source=ImageFolder(root=str(PHOTOS), split="hash", resize=None, cache_megabytes=0),
        size=64,
        augmentation=None,
        evaluation="centre",
        batch_size=1,
        eval_batch_size=2,
        num_workers=0,
    )
    return data.eval_loader("test", rank=rank, world=world)


def figures(rank: int, world: int) -> dict[str, Any]:
    """Values, counts and the keys of the pictures of every split; the message of one without items."""
    splits = {
        "unequal shares": share(17, rank, world),
        "one batch": share(3, rank, world),
        "photographs": photos(rank, world),
    }
    probes = {tap: LinearProbe(tap=tap, penalty=1.0) for tap in ("encoder", "z_q", "code_bag")}
    metrics = {"unequal shares": METRICS | probes}
    found: dict[str, Any] = {}
    for name, split in splits.items():
        evaluation = evaluate(tokenizer(), split, metrics=metrics.get(name, METRICS))
        found[name] = {
            "values": evaluation.values,
            "counts": [level.tolist() for level in evaluation.counts],
            "pictures": None if evaluation.pictures is None else evaluation.pictures.keys,
        }
    without = evaluate(tokenizer(codes=False), share(3, rank, world), metrics=METRICS)
    found["without codes"] = {"values": without.values, "counts": [], "pictures": None}
    try:
        evaluate(tokenizer(), share(0, rank, world), metrics=METRICS)
    except ValueError as error:
        found["no items"] = {"values": {}, "counts": [str(error)], "pictures": None}
    return found


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    (folder / f"{rank}.json").write_text(json.dumps(figures(rank, 2)))
    distributed.barrier()
    distributed.destroy_process_group()
    os._exit(0)  # gloo's threads now and then abort the interpreter's own exit; all is written


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
