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
    "vq_audio": ("quantizer.codebook_size=16", "quantizer.codebook_dim=4"),
    "vq_factorised": ("quantizer.codebook_size=16", "quantizer.codebook_dim=2"),
    "vq_titok": ("quantizer.codebook_size=16", "quantizer.codebook_dim=2"),
    "vq_gradient": ("quantizer.codebook_size=16", "quantizer.codebook_dim=4"),
    "rvq": ("quantizer.level.codebook_size=16", "quantizer.level.latent_dim=4"),
    "rvq_audio": ("quantizer.level.codebook_size=16", "quantizer.level.latent_dim=4"),
    "rvq_bandwidths": ("quantizer.level.codebook_size=16", "quantizer.level.latent_dim=4"),
    "rq": ("quantizer.level.codebook_size=16", "quantizer.level.latent_dim=4"),
    "grouped": ("quantizer.member.codebook_size=16", "quantizer.member.latent_dim=2"),
    "multiscale": ("quantizer.level.codebook_size=16", "quantizer.level.latent_dim=4"),
    "rvq_factorised": (
        "quantizer.level.codebook_size=16",
        "quantizer.level.codebook_dim=2",
        "quantizer.num_codebooks=3",
    ),
    "rvq_directions": ("quantizer.level.codebook_size=16", "quantizer.level.codebook_dim=2"),
    "rvq_factorised_small": (
        "quantizer.level.codebook_size=16",
        "quantizer.level.codebook_dim=2",
        "quantizer.num_codebooks=3",
    ),
    "grouped_unitok": (
        "quantizer.num_groups=2",
        "quantizer.member.codebook_size=16",
        "quantizer.member.latent_dim=2",
    ),
    "vq_kd_late": ("quantizer.codebook_size=16", "quantizer.codebook_dim=2"),
    "product_late": (
        "quantizer.num_groups=2",
        "quantizer.member.latent_dim=2",
        "quantizer.member.codebook_size=16",
    ),
    "semantic_id_late": ("quantizer.num_codebooks=2", "quantizer.level.codebook_size=16"),
    "grouped_fsq": ("quantizer.num_groups=2", "quantizer.member.latent_dim=2", "quantizer.member.levels=[3,3]"),
    "grouped_fsq_late": ("quantizer.num_groups=2", "quantizer.member.latent_dim=2", "quantizer.member.levels=[3,3]"),
    "snac": ("quantizer.level.codebook_size=16", "quantizer.level.codebook_dim=2"),
    "snac_small": ("quantizer.level.codebook_size=16", "quantizer.level.codebook_dim=2"),
    "split_small": ("quantizer.acoustic.level.codebook_size=16", "quantizer.acoustic.latent_dim=3"),
    "split_late": ("quantizer.acoustic.level.codebook_size=16", "quantizer.acoustic.latent_dim=3"),
    "split_residual_small": ("quantizer.acoustic.level.codebook_size=16", "quantizer.acoustic.latent_dim=3"),
    "split_directions": (
        "quantizer.acoustic.level.codebook_size=16",
        "quantizer.acoustic.level.codebook_dim=2",
        "quantizer.semantic.latent_dim=3",
    ),
    "split": ("quantizer.acoustic.level.codebook_size=16", "quantizer.acoustic.latent_dim=3"),
    "parallel": (
        "quantizer.level.codebook_size=16",
        "quantizer.level.latent_dim=3",
        "quantizer.width=8",
        "quantizer.strides=[2,1]",
    ),
    "parallel_small": (
        "quantizer.level.codebook_size=16",
        "quantizer.level.latent_dim=3",
        "quantizer.width=8",
        "quantizer.strides=[2,1]",
    ),
    "hierarchical": ("quantizer.top.codebook_size=16", "quantizer.top.latent_dim=4", "quantizer.width=8"),
    "fsq": ("quantizer.levels=[3,3]",),
    "fsq_entropy": ("quantizer.levels=[3,3]",),
    "lfq": ("quantizer.bits=4",),
    "bsq": ("quantizer.bits=4",),
    "gumbel": ("quantizer.codebook_size=16",),
    "gumbel_late": ("quantizer.codebook_size=16",),
    "ibq": ("quantizer.codebook_size=16",),
    "contrastive": ("quantizer.num_codebooks=2", "quantizer.codebook_size=8", "quantizer.codebook_dim=3"),
    "contrastive_placed": ("quantizer.codebook_size=8", "quantizer.codebook_dim=3"),
    "simvq": ("quantizer.codebook_size=16",),
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
        "logit_laplace": ("decoder.widths=[8,8]", "decoder.depth=1"),
        "query": ("width=16", "depth=1", "heads=2"),
    },
}


# How the names of encoders and decoders over one axis and over three begin: no part of these runs.
AUDIO = ("codec", "spectral", "speech", "text", "video", "frames")
# A run on the film, tests/training/test_video_run.py.
VIDEO = (
    "encoder.widths=[8,8]", "decoder.widths=[8,8]", "encoder.depth=1", "trainer=cpu", "trainer.max_steps=2",
    "trainer.log_every_n_steps=1", "callbacks.progress_bar=null", "data.frames=5", "data.size=16", "data.eval_frames=6",
    "data.cache_megabytes=0", "data.eval_batch_size=2", "run.limit_eval_batches=1", "task_name=test",
)  # fmt: skip
# Against discriminators of frames and of videos, with a term on sampled frames: both draw or learn between steps.
VIDEO_ADVERSARY = (
    "adversary=patch_video", "adversary.discriminator.members.videos.halvings=1",
    *(f"adversary.discriminator.members.{member}.{key}" for member in ("frames.pictures", "videos")
      for key in ("width=8", "layers=1", "groups=4")),
    "adversary.start=0.4", "adversary.warmup=0.2", "objective=perceptual_frames",
    "objective.terms.perceptual.term.blocks=[0]",
)  # fmt: skip
APART = ("pooled", "none")  # encoders of one token without a decoder: tests/training/test_alignment_run.py
SEQUENCE = {"query"}  # encoders of a fixed number of tokens; a decoder goes with an encoder of its own kind


def composed(*overrides: str, name: str = "train") -> Any:
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return compose(name, overrides=list(overrides))


# A small adversary that acts from the middle of a run on; LeCam has state of its own.
ADVERSARY = (
    "adversary=patch", "adversary.discriminator.width=8", "adversary.discriminator.groups=4",
    "adversary.discriminator.layers=1", "adversary.start=0.5", "adversary.warmup=0.25",
    "adversary.lecam={_target_: signaltok.adversaries.regularization.LeCam, weight: 0.05, decay: 0.9}",
    "adversary.r1={_target_: signaltok.adversaries.regularization.R1, weight: 1.0, every: 3}",
)  # fmt: skip
# Another, whose terms are balanced: features matched, the discriminator updated now and then; balancer and updates have
# state of their own.
BALANCED = (
    "balance=encodec", "balance.decay=0.9", "adversary=patch_lecam", "adversary.discriminator.width=8",
    "adversary.discriminator.groups=4", "adversary.discriminator.layers=1", "adversary.start=0.5",
    "adversary.warmup=0.25", "adversary.updates._target_=signaltok.adversaries.updates.RandomSteps",
    "~adversary.updates.every", "+adversary.updates.probability=0.6",
    "adversary.matching={_target_: signaltok.adversaries.matching.FeatureMatching, weight: 0.3, reduction: relative}",
)  # fmt: skip
