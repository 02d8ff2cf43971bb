"""Small run folders as training leaves them, written by hand."""

import copy
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save_file

CONFIG = {
    "task_name": "train",
    "tags": ["small"],
    "seed": 0,
    "print_config": False,
    "run": {"resume": None, "init_from": None, "evaluate": True, "checkpoint": "best", "limit_eval_batches": None},
    "paths": {"root_dir": ".", "data_dir": "./data", "log_dir": "LOGS", "output_dir": "OUT"},
    "tokenizer": {"_target_": "signaltok.tokenizer.Tokenizer", "value_range": [-1.0, 1.0], "block": 256},
    "quantizer": {"_target_": "signaltok.quantizers.codebook.vector.VectorQuantizer", "codebook_size": 16},
    "optimization": {"learning_rate": 0.001},
    "data": {
        "_target_": "signaltok.data.picture_sets.FolderData",
        "root": "./data/photos",
        "split": "hash",
        "size": 64,
        "batch_size": 8,
        "evaluation": "tiles",
    },
    "metrics": {"psnr": {"_target_": "signaltok.metrics.distortion.PeakSignalToNoiseRatio"}},
    "callbacks": {"best_checkpoint": {"path": "OUT/checkpoints/best.ckpt", "monitor": "val/psnr", "mode": "max"}},
    "logger": {"wandb": {"id": "OUT", "save_dir": "OUT"}},
}
PROVENANCE = {
    "command": "python train.py experiment=tiny",
    "overrides": ["experiment=tiny"],
    "started": "2026-01-01T00:00:00+00:00",
    "data": {"name": "photos", "fingerprint": "contents:0123456789abcdef"},
}


def write_run(
    folder: Path,
    *,
    psnr: float,
    changes: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
    summary: dict[str, float] | None = None,
    finished: bool = True,
) -> Path:
    """changes: dotted key -> value of the config; summary: further figures."""
    config = copy.deepcopy(CONFIG)
    for key, value in (changes or {}).items():
        node: Any = config
        *path, last = key.split(".")
        for name in path:
            node = node.setdefault(name, {})
        node[last] = value
    folder.mkdir(parents=True)
    text = yaml.safe_dump(config, sort_keys=False).replace("OUT", str(folder)).replace("LOGS", str(folder.parent))
    (folder / "config.yaml").write_text(text)
    (folder / "provenance.json").write_text(json.dumps({**PROVENANCE, **(provenance or {})}))
    size = config["quantizer"]["codebook_size"]
    save_file({"counts.0": np.arange(size)}, folder / "code_counts.safetensors")
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["step", "train/loss", "val/psnr"], restval="")
        writer.writeheader()
        writer.writerows({"step": step, "train/loss": 1 / step} for step in range(1, 5))
        writer.writerow({"step": 4, "val/psnr": psnr})
    if finished:
        figures = {"test/psnr": psnr, "val/psnr": psnr - 1, "test/usage": 0.5, "test/bits_per_pixel": 0.25}
        figures |= {"test/entropy_bits_per_pixel": 0.2, "test/usage_0": 0.5, "train/loss": 0.5, "train/seconds": 3.0}
        (folder / "summary.json").write_text(json.dumps(figures | (summary or {})))
    return folder
