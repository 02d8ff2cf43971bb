"""The 24 claims about image tokenizers: which runs they need, and how they are judged.

Every run trains the same small encoder and decoder (stride 8 unless the claim is about it) on 64-pixel crops of
data/photos, by the absolute error and the quantizer's own losses. Only what the name of a run says differs.
"""

import itertools
from pathlib import Path

from literature import FAILS, HOLDS, Claim, Values, above, at_least, rising, shown, worst

from signaltok.reports.run_files import read_curves

ROOT = Path(__file__).parents[1]
TARGET = "signaltok.quantizers.codebook"

BASE = (
    "task_name=literature", "objective=absolute_error", "encoder.widths=[64,96]", "decoder.widths=[96,64]",
    "encoder.depth=1", "decoder.depth=1", "trainer=cpu", "run.report=false", "run.checkpoint=last",
    "callbacks.progress_bar=null", "callbacks.best_checkpoint=null", "callbacks.interruption=null",
    "callbacks.collapse=null", f"paths.root_dir={ROOT}",
)  # fmt: skip
GRADIENT = (
    "quantizer=vq_euclidean", "quantizer.revival=null", "~quantizer.update.epsilon",
    f"quantizer.update._target_={TARGET}.update.Gradient",
    f"quantizer.initialization._target_={TARGET}.initialization.Uniform",
    "+objective.terms.codebook={_target_: signaltok.objectives.quantizer_loss.QuantizerLoss, name: codebook}",
    "+objective.weights.codebook=1.0",
)  # fmt: skip
AVERAGE = ("quantizer=vq_euclidean",)
REVIVAL = (f"quantizer.revival={{_target_: {TARGET}.revival.UsageRevival, threshold: 0.05, every: 10, until: 0.8}}",)


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
    return ("quantizer=fsq", f"quantizer.levels=[{levels}]")


RUNS: dict[str, tuple[str, ...]] = {
    **{f"gradient_{size}": gradient(size, 64) for size in (256, 1024, 4096)},
    "gradient_4096_revival": gradient(4096, 64, *REVIVAL),
    "gradient_1024_rotation": gradient(1024, 64, f"quantizer.estimator._target_={TARGET}.estimator.Rotation"),
    "gradient_1024_beta_1": gradient(1024, 64, "objective.weights.commitment=1.0"),
    **{f"gradient_1024_batch_{batch}": gradient(1024, 64, f"data.batch_size={batch}") for batch in (2, 32)},
    **{f"cosine_1024_dim_{dim}": gradient(1024, dim, "quantizer.metric=cosine") for dim in (4, 8, 256)},
    "cosine_4096_dim_8": gradient(4096, 8, "quantizer.metric=cosine"),
    "average_4096": average(4096, 64),
    "average_1024_uniform": average(
        1024, 64, "quantizer.revival=null", f"quantizer.initialization={{_target_: {TARGET}.initialization.Uniform}}"
    ),
    "average_1024_kmeans": average(
        1024, 64, "quantizer.revival=null",
        f"quantizer.initialization={{_target_: {TARGET}.initialization.KMeans, iterations: 10}}",
    ),
    "average_65536": average(65536, 8),
    "residual_2_256": ("quantizer=rvq", "quantizer.num_codebooks=2", "quantizer.dropout=0.0"),
    "residual_8_256": ("quantizer=rvq", "quantizer.num_codebooks=8", "quantizer.dropout=0.5"),
    "lattice_256": lattice("8,6,5"),
    "lattice_1024": lattice("8,5,5,5"),
    "lattice_4096": lattice("7,5,5,5,5"),
}  # fmt: skip
# Functions of this file that add figures to a complete run.
EXTRA = {
    "residual_8_256": "literature_images:psnr_by_levels",
    "average_1024_kmeans": "literature_images:early_psnr",
    "average_1024_uniform": "literature_images:early_psnr",
}


def overrides(name: str, steps: int) -> list[str]:
    """The overrides of a run of so many steps."""
    own = [
        f"trainer.max_steps={steps}",
        f"trainer.val_check_interval={max(1, steps // 4)}",
        "trainer.log_every_n_steps=50",
    ]
    return [*RUNS[name], *BASE, *own]


def psnr_by_levels(run: Path) -> dict[str, float]:
    """test/psnr of a complete run, decoded from the first 1, 2, … levels."""
    import torch
    from omegaconf import OmegaConf

    from signaltok.metrics.distortion import psnr
    from signaltok.training.config.build import build
    from signaltok.training.start import read_tokenizer

    tokenizer = read_tokenizer(run, "last")
    settings = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    data = build(settings["data"])  # type: ignore[index,call-overload]
    count = len(tokenizer.quantizer.codebook_sizes)
    sums, items = [0.0] * count, 0
    for batch in data.eval_loader("test", rank=0, world=1):
        with torch.no_grad():
            for signal in batch.signal.split(1):
                codes = tokenizer.encode(signal).levels
                for levels in range(1, count + 1):
                    decoded = tokenizer.decoder(tokenizer.quantizer.decode(codes[:levels]), tuple(signal.shape[2:]))
                    low, high = tokenizer.value_range
                    sums[levels - 1] += float(
                        psnr(signal, decoded.clamp(low, high), tokenizer.value_range).clamp(max=100)
                    )
                items += 1
    return {f"test/psnr_of_{levels}_levels": total / items for levels, total in enumerate(sums, start=1)}


def early_psnr(run: Path) -> dict[str, float]:
    """val/psnr of the first validation, a quarter of the run in."""
    (curve,) = (curve for curve in read_curves(run / "metrics.csv") if curve.name == "val/psnr")
    return {"early/psnr": float(curve.values[0])}


def usage(values: Values, *runs: str) -> str:
    return ", ".join(f"{shown(values[run]['test/usage'], 1, 100)} %" for run in runs)


def decibel(values: Values, *runs: str) -> str:
    return ", ".join(f"{shown(values[run]['test/psnr'])} dB" for run in runs)


def claim_1(v: Values) -> tuple[str, str]:
    runs = ("gradient_256", "gradient_1024", "gradient_4096")
    return f"K 256, 1,024, 4,096: {usage(v, *runs)}", rising(*(v[run]["test/usage"] for run in reversed(runs)))


def claim_2(v: Values) -> tuple[str, str]:
    runs = ("lattice_256", "lattice_1024", "lattice_4096")
    found = worst(*(at_least(v[run]["test/usage"], 0.95) for run in runs))
    return f"2^8, 2^10, 2^12: {usage(v, *runs)}", found


def claim_3(v: Values) -> tuple[str, str]:
    pairs = [(f"lattice_{size}", f"gradient_{size}") for size in (256, 4096)]
    text = "; ".join(f"K {a.split('_')[1]}: {decibel(v, a)} against {decibel(v, b)}" for a, b in pairs)
    (small_a, small_b), (large_a, large_b) = pairs
    return text, worst(
        above(v[small_b]["test/psnr"], v[small_a]["test/psnr"]), above(v[large_a]["test/psnr"], v[large_b]["test/psnr"])
    )


def claim_4(v: Values) -> tuple[str, str]:
    runs = ("cosine_4096_dim_8", "gradient_4096")
    return f"D 8 cosine, D 64: {usage(v, *runs)}", above(*(v[run]["test/usage"] for run in runs))


def claim_5(v: Values) -> tuple[str, str]:
    low, middle, high = (f"cosine_1024_dim_{dim}" for dim in (4, 8, 256))
    found = worst(
        above(v[middle]["test/psnr"], v[low]["test/psnr"]), above(v[middle]["test/psnr"], v[high]["test/psnr"])
    )
    return f"D 4, 8, 256: {decibel(v, low, middle, high)}", found


def claim_6(v: Values) -> tuple[str, str]:
    runs = ("average_4096", "gradient_4096")
    found = worst(*(above(*(v[run][name] for run in runs)) for name in ("test/usage", "test/psnr")))
    return f"{usage(v, *runs)}; {decibel(v, *runs)}", found


def claim_7(v: Values) -> tuple[str, str]:
    runs = ("gradient_4096_revival", "gradient_4096")
    found = worst(above(*(v[run]["test/usage"] for run in runs)), at_least(v[runs[0]]["test/usage"], 0.9))
    return usage(v, *runs), found


def claim_8(v: Values) -> tuple[str, str]:
    a, b = "average_1024_kmeans", "average_1024_uniform"
    start, end = ([x - y for x, y in zip(v[a][name], v[b][name], strict=True)] for name in ("early/psnr", "test/psnr"))
    found = worst(above(v[a]["early/psnr"], v[b]["early/psnr"]), above(start, end))
    return f"gap {shown(start)} dB at a quarter of the run, {shown(end)} dB at its end", found


def claim_9(v: Values) -> tuple[str, str]:
    a, b = "gradient_1024_rotation", "gradient_1024"
    found = worst(
        above(v[b]["train/commitment"], v[a]["train/commitment"]), above(v[a]["test/usage"], v[b]["test/usage"])
    )
    errors = ", ".join(shown(v[run]["train/commitment"], 4) for run in (a, b))
    return f"error {errors}; {usage(v, a, b)}", found


def claim_13(v: Values) -> tuple[str, str]:
    columns = [v["residual_8_256"][f"test/psnr_of_{levels}_levels"] for levels in range(1, 9)]
    means = [sum(column) / len(column) for column in columns]
    gains = [b - a for a, b in itertools.pairwise(means)]
    found = worst(rising(*columns), HOLDS if gains[0] > gains[-1] else FAILS)
    return f"1 to 8 levels: {', '.join(f'{mean:.2f}' for mean in means)} dB", found


def claim_14(v: Values) -> tuple[str, str]:
    runs = ("residual_2_256", "average_65536")
    return f"2 x 2^8, 2^16: {decibel(v, *runs)}", above(*(v[run]["test/psnr"] for run in runs))


def claim_20(v: Values) -> tuple[str, str]:
    runs = ("gradient_1024_batch_2", "gradient_1024", "gradient_1024_batch_32")
    return f"batch 2, 8, 32: {usage(v, *runs)}", rising(*(v[run]["test/usage"] for run in runs))


def claim_21(v: Values) -> tuple[str, str]:
    runs = ("gradient_1024", "gradient_1024_beta_1")
    gaps = [abs(a - b) for a, b in zip(*(v[run]["test/psnr"] for run in runs), strict=True)]
    return f".25, 1: {decibel(v, *runs)}", HOLDS if max(gaps) < 0.5 else FAILS


CLAIMS = [
    Claim(
        1,
        "usage of a plain codebook falls as it grows",
        "SimVQ, VQGAN-LC",
        ("gradient_256", "gradient_1024", "gradient_4096"),
        claim_1,
    ),
    Claim(
        2, "FSQ uses nearly all codes at every size", "FSQ", ("lattice_256", "lattice_1024", "lattice_4096"), claim_2
    ),
    Claim(
        3,
        "FSQ passes VQ at a large size and loses at a small one",
        "FSQ",
        ("lattice_256", "lattice_4096", "gradient_256", "gradient_4096"),
        claim_3,
    ),
    Claim(
        4,
        "cosine codes of few dimensions raise usage",
        "ViT-VQGAN, LlamaGen",
        ("cosine_4096_dim_8", "gradient_4096"),
        claim_4,
    ),
    Claim(
        5,
        "PSNR has an interior optimum in the codes' dimension",
        "LlamaGen",
        ("cosine_1024_dim_4", "cosine_1024_dim_8", "cosine_1024_dim_256"),
        claim_5,
    ),
    Claim(6, "moving averages with revival beat the gradient", "VQGAN-LC", ("average_4096", "gradient_4096"), claim_6),
    Claim(
        7,
        "revival alone restores dead codes",
        "Jukebox, SoundStream",
        ("gradient_4096_revival", "gradient_4096"),
        claim_7,
    ),
    Claim(
        8,
        "a k-means start helps early, and its gap shrinks",
        "LaVIT",
        ("average_1024_kmeans", "average_1024_uniform"),
        claim_8,
    ),
    Claim(
        9,
        "the rotation estimator lowers the error and raises usage",
        "Fifty et al.",
        ("gradient_1024_rotation", "gradient_1024"),
        claim_9,
    ),
    Claim(13, "PSNR rises with the depth of a residual stack, less and less", "RQ-VAE", ("residual_8_256",), claim_13),
    Claim(
        14, "at 16 bits two residual levels beat one codebook", "RQ-VAE", ("residual_2_256", "average_65536"), claim_14
    ),
    Claim(
        20,
        "usage rises with the tokens of a batch",
        "unilm#936",
        ("gradient_1024_batch_2", "gradient_1024", "gradient_1024_batch_32"),
        claim_20,
    ),
    Claim(
        21,
        "the commitment weight, .25 or 1, changes PSNR little",
        "taming#57",
        ("gradient_1024", "gradient_1024_beta_1"),
        claim_21,
    ),
]
