"""Composed settings of tiny runs."""

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir

from signaltok.training.config.resolve import prepare

ROOT = Path(__file__).parents[2]
TINY = (
    "encoder.stride=8",
    "encoder.latent_dim=4",
    "trainer=cpu",
    "trainer.log_every_n_steps=1",
    "callbacks.progress_bar=null",
    "data.size=16",
    "data.batch_size=2",
    "data.eval_batch_size=2",
    "run.limit_eval_batches=1",
    "run.report=false",
    "tokenizer.block=512",
    "task_name=test",
    f"paths.root_dir={ROOT}",
)
QUANTIZERS = {
    "vq": ("quantizer.codebook_size=16", "quantizer.codebook_dim=4"),
    "vq_euclidean": ("quantizer.codebook_size=16", "quantizer.codebook_dim=4"),
    "rvq": ("quantizer.level.codebook_size=16", "quantizer.level.latent_dim=4"),
    "fsq": ("quantizer.levels=[3,3]",),
    "identity": (),
    "library": ("quantizer.options.codebook_size=16",),
}
CONV = ("encoder.widths=[8,8]", "encoder.depth=1", "decoder.widths=[8,8]", "decoder.depth=1")


# The sizes of every part of the groups encoder and decoder; a new part adds one line.
PARTS = {
    "encoder": {
        "conv": ("widths=[8,8]", "depth=1"),
        "vit": ("width=16", "depth=1", "heads=2"),
        "query": ("width=16", "depth=1", "heads=2", "tokens=5"),
    },
    "decoder": {
        "conv": ("widths=[8,8]", "depth=1"),
        "vit": ("width=16", "depth=1", "heads=2"),
        "query": ("width=16", "depth=1", "heads=2"),
    },
}


SEQUENCE = {"query"}  # encoders of a fixed number of tokens; a decoder goes with an encoder of its own kind


def composed(*overrides: str, name: str = "train") -> Any:
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return compose(name, overrides=list(overrides))
