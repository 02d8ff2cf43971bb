"""The runs behind the claims about image tokenizers.

Every run trains the same small encoder and decoder (stride 8 unless the claim is about it) on 64-pixel crops of
data/photos, by the absolute error and the quantizer's own losses. Only what the name of a run says differs. The claims
about texts (30, 31) are on the drawings of data/emoji.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from omegaconf import OmegaConf
from torch import Tensor

from signaltok.metrics.distortion import psnr
from signaltok.metrics.distribution import FrechetDistance, KernelDistance
from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.extractors import EfficientNetExtractor
from signaltok.metrics.retrieval import Retrieval
from signaltok.reports.run_files import read_curves
from signaltok.tokenizer import Tokenizer
from signaltok.training.config.build import build
from signaltok.training.start import read_alignment, read_tokenizer

ROOT = Path(__file__).parents[1]
TARGET = "signaltok.quantizers.codebook"
DEPTHS = (1, 2, 4, 8)  # of the residual stack of which claim 31 takes the first levels

BASE = (
    "task_name=literature", "objective=absolute_error", "trainer=cpu", "run.report=false", "run.checkpoint=last",
    "callbacks.progress_bar=null", "callbacks.best_checkpoint=null", "callbacks.interruption=null",
    "callbacks.collapse=null", "data.batch_size=4", "~metrics.ssim", f"paths.root_dir={ROOT}",
)  # fmt: skip
CONVOLUTIONS = ("encoder.widths=[32,64]", "decoder.widths=[64,32]", "encoder.depth=1", "decoder.depth=1")
GRADIENT = (
    "quantizer=vq_euclidean", "quantizer.revival=null", "~quantizer.update.epsilon",
    f"quantizer.update._target_={TARGET}.update.Gradient",
    f"quantizer.initialization._target_={TARGET}.initialization.Uniform",
    "+objective.terms.codebook={_target_: signaltok.objectives.quantizer_loss.QuantizerLoss, name: codebook}",
    "+objective.weights.codebook=1.0",
)  # fmt: skip
AVERAGE = ("quantizer=vq_euclidean",)
REVIVAL = (f"quantizer.revival={{_target_: {TARGET}.revival.UsageRevival, threshold: 0.05, every: 10, until: 0.8}}",)


QUERY = (
    "encoder=query", "decoder=query", "encoder.latent_dim=12", "quantizer=vq_titok_late",
    "optimization.learning_rate=1e-3",
)  # fmt: skip

DRAWINGS = ("data=emoji", "data.size=32")  # a quarter of the pixels, so that a run stays under a minute


def gradient(size: int, dim: int, *more: str) -> tuple[str, ...]:
    return (
        *GRADIENT,
        f"quantizer.codebook_size={size}",
        f"quantizer.codebook_dim={dim}",
        f"encoder.latent_dim={dim}",
        *more,
    )


def average(size: int, dim: int, *more: str) -> tuple[str, ...]:
    return (
        *AVERAGE,
        f"quantizer.codebook_size={size}",
        f"quantizer.codebook_dim={dim}",
        f"encoder.latent_dim={dim}",
        *more,
    )


def lattice(levels: str) -> tuple[str, ...]:
    return ("quantizer=fsq_late", f"quantizer.levels=[{levels}]")


def product(groups: int, *more: str) -> tuple[str, ...]:
    """2,048 codes in so many books over 64 channels, on drawings with texts and categories."""
    return (
        "quantizer=grouped_unitok", f"quantizer.num_groups={groups}", f"quantizer.member.latent_dim={64 // groups}",
        f"quantizer.member.codebook_size={2048 // groups}", "encoder.latent_dim=64", *DRAWINGS, "data.batch_size=48",
        "metrics=image_probe_codes", *more,
    )  # fmt: skip


def pooled(depth: int) -> tuple[str, ...]:
    """Embeddings of drawings beside those of texts, through a residual stack of so many books of 256 codes."""
    return (
        "encoder=pooled", "encoder.features.widths=[32,64]", "encoder.features.depth=1",
        "encoder.features.latent_dim=64", "encoder.latent_dim=64", "decoder=none", "objective=align",
        "objective.terms.align.tower.width=256", "quantizer=rvq", f"quantizer.num_codebooks={depth}",
        "quantizer.dropout=0.0", "quantizer.level.latent_dim=64",
        f"quantizer.level.estimator._target_={TARGET}.estimator.LateStart", "+quantizer.level.estimator.start=0.4",
        f"+quantizer.level.estimator.then={{_target_: {TARGET}.estimator.StraightThrough}}",
        *DRAWINGS, "data.batch_size=96", "metrics=retrieval", "optimization.learning_rate=1.5e-3",
        "optimization.weight_decay=0.2",
    )  # fmt: skip


RUNS: dict[str, tuple[str, ...]] = {
    **{f"gradient_{size}": gradient(size, 64) for size in (256, 1024, 4096)},
    # counts that forget within the run, or nothing falls under the threshold
    "gradient_4096_revival": gradient(4096, 64, "quantizer.update.decay=0.9", *REVIVAL),
    "gradient_1024_rotation": gradient(1024, 64, f"quantizer.estimator._target_={TARGET}.estimator.Rotation"),
    **{f"gradient_1024_batch_{batch}": gradient(1024, 64, f"data.batch_size={batch}") for batch in (2, 16)},
    **{f"cosine_1024_dim_{dim}": gradient(1024, dim, "quantizer.metric=cosine") for dim in (4, 8, 256)},
    "cosine_4096_dim_8": gradient(4096, 8, "quantizer.metric=cosine"),
    "average_1024": average(1024, 64),
    "average_1024_beta_1": average(1024, 64, "objective.weights.commitment=1.0"),
    "average_4096": average(4096, 64),
    "average_1024_uniform": average(
        1024, 64, "quantizer.revival=null", f"quantizer.initialization._target_={TARGET}.initialization.Uniform"
    ),
    "average_1024_kmeans": average(
        1024, 64, "quantizer.revival=null",
        f"quantizer.initialization._target_={TARGET}.initialization.KMeans",
        "+quantizer.initialization.iterations=10",
    ),
    "average_65536": average(65536, 8),
    "residual_2_256": ("quantizer=rvq", "quantizer.num_codebooks=2", "quantizer.dropout=0.0"),
    "residual_8_256": ("quantizer=rvq", "quantizer.num_codebooks=8", "quantizer.dropout=0.5"),
    "lattice_256": lattice("8,6,5"),
    "lattice_1024": lattice("8,5,5,5"),
    "lattice_4096": lattice("7,5,5,5,5"),
    **{f"simvq_{size}": ("quantizer=simvq", f"quantizer.codebook_size={size}") for size in (256, 1024, 4096)},
    **{
        f"ibq_{size}": ("quantizer=ibq", f"quantizer.codebook_size={size}", "encoder.latent_dim=16")
        for size in (256, 1024, 4096)
    },
    "ibq_1024_dim_256": ("quantizer=ibq", "encoder.latent_dim=256", "optimization.learning_rate=1e-4"),
    "grouped_8_512": (
        "quantizer=grouped", "encoder.latent_dim=64", "quantizer.num_groups=8", "quantizer.member.latent_dim=8",
        "quantizer.member.codebook_size=512",
    ),
    **{
        f"lookup_free_entropy_{weight}": (
            "quantizer=lfq",
            f"objective.weights.entropy_sample={weight}",
            f"objective.weights.entropy_deficit={weight}",
        )
        for weight in (0.0, 0.1, 0.5)
    },
    "spherical_10_entropy_0.1": (
        "quantizer=bsq", "objective.weights.entropy_sample=0.1", "objective.weights.entropy_deficit=0.1",
    ),
    **{f"gumbel_kl_{weight}": (
            "quantizer=gumbel", "quantizer.temperature_start=1.0", f"objective.weights.kl={weight}",
        )
        for weight in (0.0, 1.0)},
    "gumbel_constant": (
        "quantizer=gumbel", "objective.weights.kl=0.0", "quantizer.temperature_start=1.0",
        "quantizer.temperature_end=1.0",
    ),
    "stride_8_256": average(256, 8),
    "stride_16_16384": (*average(16384, 8), "encoder.stride=16"),
    **{
        f"query_{tokens}": (
            *QUERY, f"encoder.tokens={tokens}",
        )
        for tokens in (8, 16, 32, 64)
    },
    "vq_pixels": average(1024, 8),
    "vq_adversarial": average(1024, 8, "objective=perceptual", "adversary=patch_small", "adversary.start=0.3"),
    "query_tail_drop": (
        *QUERY, "encoder.tokens=64",
        "encoder.tail_drop={_target_: signaltok.layers.tail.TailDrop, least: 8, lengths: powers_of_two}",
    ),
    **{f"joint_{n}": product(n, "objective=structural_align", "balance=gradnorm") for n in (1, 8)},
    **{f"alone_{n}": product(n, "objective=structural") for n in (1, 8)},
    "contrastive_depth_8": pooled(8),
}  # fmt: skip
# Functions of this file that add figures to a complete run.
EXTRA = {
    "residual_8_256": "literature_image_runs:psnr_by_levels",
    "average_1024_kmeans": "literature_image_runs:early_psnr",
    "average_1024_uniform": "literature_image_runs:early_psnr",
    "query_tail_drop": "literature_image_runs:psnr_by_tokens",
    "contrastive_depth_8": "literature_image_runs:recall_by_levels",
    "vq_pixels": "literature_image_runs:set_distances",
    "vq_adversarial": "literature_image_runs:set_distances",
}
# Share of the steps: the features of a network cost most of the first two, the others have larger batches.
SHORTER = {
    "vq_pixels": 0.8, "vq_adversarial": 0.8,
    **{f"{kind}_{n}": 0.3 for kind in ("joint", "alone") for n in (1, 8)},
    "contrastive_depth_8": 0.25,
}  # fmt: skip


def overrides(name: str, steps: int) -> list[str]:
    """The overrides of a run of so many steps."""
    steps = max(1, round(steps * SHORTER.get(name, 1.0)))
    own = [
        f"trainer.max_steps={steps}",
        f"trainer.val_check_interval={max(1, steps // 4) if EXTRA.get(name, '').endswith('early_psnr') else steps}",
        "trainer.log_every_n_steps=50",
    ]
    sizes = () if {"encoder=query", "encoder=pooled"} & {*RUNS[name]} else CONVOLUTIONS
    base = [entry for entry in BASE if entry != "~metrics.ssim" or "metrics=retrieval" not in RUNS[name]]
    # The last of two values counts, and a run may have another objective or batch than most.
    return [*base, *RUNS[name], *sizes, *own]


def test_psnr(run: Path, variants: dict[str, Callable[[Tokenizer, Tensor], Tensor]]) -> dict[str, float]:
    """test/<name> in dB of a complete run for each way of reconstructing a picture."""
    tokenizer = read_tokenizer(run, "last")
    settings = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    data = build(settings["data"])  # type: ignore[index,call-overload]
    low, high = tokenizer.value_range
    sums, items = dict.fromkeys(variants, 0.0), 0
    for batch in data.eval_loader("test", rank=0, world=1):
        with torch.no_grad():
            for signal in batch.signal.split(1):
                for name, reconstruct in variants.items():
                    decoded = reconstruct(tokenizer, signal).clamp(low, high)
                    sums[name] += float(psnr(signal, decoded, tokenizer.value_range).clamp(max=100))
                items += 1
    return {f"test/{name}": total / items for name, total in sums.items()}


def psnr_by_levels(run: Path) -> dict[str, float]:
    """test/psnr_of_<n>_levels, decoded from the first 1 to 8 levels."""

    def reconstruct(tokenizer: Tokenizer, signal: Tensor, levels: int) -> Tensor:
        return tokenizer.decode(tokenizer.encode(signal).first_levels(levels))

    return test_psnr(run, {f"psnr_of_{n}_levels": partial(reconstruct, levels=n) for n in range(1, 9)})


def psnr_by_tokens(run: Path) -> dict[str, float]:
    """test/psnr_of_<n>_tokens, decoded from the first 8 to 64 tokens."""

    def reconstruct(tokenizer: Tokenizer, signal: Tensor, tokens: int) -> Tensor:
        return tokenizer(signal, tokens=tokens).signal

    return test_psnr(run, {f"psnr_of_{n}_tokens": partial(reconstruct, tokens=n) for n in (8, 16, 32, 64)})


def recall_by_levels(run: Path) -> dict[str, float]:
    """test/recall_at_10_<way>_of_<n>_levels of drawings decoded from the first 1 to 8 levels, beside the texts."""
    tokenizer, alignment = read_tokenizer(run, "last"), read_alignment(run, "last")
    assert alignment is not None, "the run has an align term"
    settings = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    data = build(settings["data"])  # type: ignore[index,call-overload]
    items: dict[int, list[Tensor]] = {n: [] for n in DEPTHS}
    texts = []
    with torch.no_grad():
        for batch in data.eval_loader("test", rank=0, world=1):
            codes = tokenizer.encode(batch.signal).levels
            texts.append(alignment.of_pairs(batch))
            for n, found in items.items():
                found.append(alignment.of_items(tokenizer.quantizer.decode(codes[:n]), None))
    recall = Retrieval(tap="adc", ranks=[10], between=["image", "text"])
    values = {n: recall.values(torch.cat(found) @ torch.cat(texts).T) for n, found in items.items()}
    return {
        f"test/{name.removesuffix('_adc')}_of_{n}_levels": value
        for n, by_name in values.items()
        for name, value in by_name.items()
    }


def early_psnr(run: Path) -> dict[str, float]:
    """val/psnr of the first validation, a quarter of the run in."""
    (curve,) = (curve for curve in read_curves(run / "metrics.csv") if curve.name == "val/psnr")
    return {"early/psnr": float(curve.values[0])}


def set_distances(run: Path) -> dict[str, float]:
    """test/fd_effnet and test/kid_effnet, as `eval.py metrics=image_perceptual` gives them."""
    settings = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    data = build(settings["data"])  # type: ignore[index,call-overload]
    extractor = EfficientNetExtractor(size=128)
    metrics = {"fd_effnet": FrechetDistance(extractor=extractor), "kid_effnet": KernelDistance(extractor=extractor)}
    found = evaluate(read_tokenizer(run, "last"), data.eval_loader("test", rank=0, world=1), metrics=metrics)
    return {f"test/{name}": found.values[name] for name in metrics}
