"""The runs behind the claims about audio tokenizers.

Every run trains on seconds of data/speech (16 kHz) by multi-scale mel and the absolute error. Most have the spectral
encoder and decoder, which work at the rate of the latent, 50 Hz; those about convolutional codecs a small one. Only
what the name of a run says differs.
"""

from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = "signaltok.quantizers.codebook"
DIM = 64  # of the latent
FIGURES, DEFECT = "literature_audio_figures", "literature_audio_defects"

BASE = (
    "task_name=literature", "objective=multi_scale_mel", "data=speech", "metrics=audio", "trainer=cpu",
    "tokenizer.sample_rate=16000", "tokenizer.block=81920", "run.report=false", "run.checkpoint=last",
    "callbacks.progress_bar=null", "callbacks.best_checkpoint=null", "callbacks.interruption=null",
    "callbacks.collapse=null", "optimization.autocast=null", "optimization.learning_rate=1e-3",
    f"paths.root_dir={ROOT}", f"encoder.latent_dim={DIM}",
)  # fmt: skip
SPECTRAL = (
    "encoder=spectral", "decoder=spectral", "encoder.width=128", "encoder.inner=256", "encoder.depth=2",
    "decoder.depth=3",
)  # fmt: skip
UNITS = ("encoder.units.kernel=3", "encoder.units.dilations=[1]", "data.segment_seconds=0.5", "data.batch_size=4")
CODEC_SHARE = 0.5  # of the steps: those of convolutions at the rate of the signal take longer
REVIVAL = (f"quantizer.revival={{_target_: {TARGET}.revival.UsageRevival, threshold: 0.1, every: 1, until: 0.8}}",)


def residual(levels: int, size: int = 256, dropout: float = 0.0, *more: str) -> tuple[str, ...]:
    return (
        "quantizer=rvq", f"quantizer.num_codebooks={levels}", f"quantizer.dropout={dropout}",
        f"quantizer.level.latent_dim={DIM}", f"quantizer.level.codebook_size={size}", *more,
    )  # fmt: skip


def average(size: int, start: str, *more: str) -> tuple[str, ...]:
    """One codebook by moving averages; start: KMeans, Uniform."""
    iterations = ("+quantizer.initialization.iterations=10",) if start == "KMeans" else ()
    return (
        "quantizer=vq_euclidean", f"quantizer.codebook_size={size}", f"quantizer.codebook_dim={DIM}",
        f"quantizer.initialization._target_={TARGET}.initialization.{start}", *iterations,
        *(more or ("quantizer.revival=null",)),
    )  # fmt: skip


def projected(size: int) -> tuple[str, ...]:
    return ("quantizer=simvq", f"quantizer.codebook_size={size}")


def factorised(size: int) -> tuple[str, ...]:
    """One level of DAC's, without revival."""
    return (
        "quantizer=rvq_factorised", "quantizer.num_codebooks=1", f"quantizer.level.codebook_size={size}",
        "quantizer.dropout=0.0", "quantizer.level.revival=null", "objective.weights.codebook=1.0",
        "objective.weights.commitment=0.25",
    )  # fmt: skip


def stack_of(dim: int) -> tuple[str, ...]:
    """Four levels of DAC's over codes of so many dimensions."""
    return (
        "quantizer=rvq_factorised", "quantizer.num_codebooks=4", "quantizer.level.codebook_size=256",
        "quantizer.dropout=0.0", f"quantizer.level.codebook_dim={dim}", "objective.weights.codebook=4.0",
        "objective.weights.commitment=1.0",
    )  # fmt: skip


def lattices(groups: int) -> tuple[str, ...]:
    return (
        "quantizer=grouped_fsq", f"quantizer.num_groups={groups}", f"encoder.latent_dim={3 * groups}",
        "quantizer.member.latent_dim=3", "quantizer.member.levels=[8,8,4]",
    )  # fmt: skip


def codec(*more: str, encoder: int = 12, decoder: int = 12, kind: str = "codec") -> tuple[str, ...]:
    return (
        f"encoder={kind}", f"decoder={kind}", *UNITS, f"encoder.width={encoder}", f"decoder.width={decoder}",
        *residual(2), *more,
    )  # fmt: skip


def balanced(weight: float) -> tuple[str, ...]:
    return (*residual(4), f"objective.weights.mel={weight}", "balance=encodec", "balance.decay=0.9")


LSTM = "[{_target_: signaltok.layers.lstm.Lstm, width: 192, layers: 2}]"
RUNS: dict[str, tuple[str, ...]] = {
    **{f"rvq_{levels}": residual(levels) for levels in (1, 2, 4, 8)},
    "rvq_8_dropout_0.5": residual(8, 256, 0.5),
    "rvq_8_dropout_1": residual(8, 256, 1.0),
    "rvq_2_of_128": residual(2, 128),
    "rvq_32_of_2": residual(32, 2),
    "rvq_4_zero_gradient": residual(4),
    "rvq_4_many_paths": residual(4),
    **{f"ema_{size}": average(size, "KMeans") for size in (256, 1024, 4096)},
    "ema_1024_absolute": average(1024, "KMeans", *REVIVAL),
    "ema_1024_relative": average(1024, "KMeans", *REVIVAL),
    "ema_1024_uniform": average(1024, "Uniform"),
    "ema_1024_uniform_undone": average(1024, "Uniform", *REVIVAL),
    "ema_1024_uniform_absolute": average(1024, "Uniform", *REVIVAL),
    "ema_1024_uniform_relative": average(1024, "Uniform", *REVIVAL),
    **{f"simvq_speech_{size}": projected(size) for size in (256, 1024, 4096)},
    **{f"factorised_{size}": factorised(size) for size in (256, 4096)},
    "fsq_4096": ("quantizer=fsq", "quantizer.levels=[8,8,8,8]"),
    "fsq_65536": ("quantizer=fsq", "quantizer.levels=[8,8,8,8,4,4]"),
    **{f"factorised_4_dim_{dim}": stack_of(dim) for dim in (2, 8, 32, DIM)},
    "group_rvq_2_of_2": (
        "quantizer=grouped", "quantizer.num_groups=2", "~quantizer.member",
        "+quantizer.member={_target_: signaltok.quantizers.residual.ResidualQuantizer, latent_dim: 32, "
        "num_codebooks: 2, shared: false, rescale: 1.0, dropout: 0.0, choices: null, orthogonal: false, level: {"
        f"_target_: {TARGET}.vector.VectorQuantizer, latent_dim: 32, codebook_size: 256, codebook_dim: 32, "
        f"metric: euclidean, update: {{_target_: {TARGET}.update.ExponentialMovingAverage, decay: 0.97, "
        f"epsilon: 1e-5}}, estimator: {{_target_: {TARGET}.estimator.StraightThrough}}, "
        f"initialization: {{_target_: {TARGET}.initialization.KMeans, iterations: 10}}, "
        f"revival: {{_target_: {TARGET}.revival.UsageRevival, threshold: 0.05, every: 10, until: 0.8}}}}}}",
    ),
    "group_fsq_4": lattices(4),
    "group_fsq_2": lattices(2),
    "multiscale_3": (
        "quantizer=snac", "quantizer.level.codebook_size=256",
    ),
    "parallel_3": (
        "quantizer=parallel", "quantizer.axes=1", "quantizer.strides=[4,2,1]", "quantizer.level.codebook_size=256",
        f"quantizer.level.latent_dim={DIM}", "objective.weights.commitment=0.25",
    ),
    "codec_elu": codec(),
    "codec_snake": codec("encoder.activation._target_=signaltok.layers.activation.Snake"),
    "codec_lstm": codec(f"encoder.bottleneck={LSTM}", f"decoder.bottleneck={LSTM}"),
    "codec_same": codec("encoder.convolutions.padding=same"),
    "codec_inverse_stft": (
        "encoder=codec", "decoder=spectral", *UNITS, "encoder.width=12", *residual(2), "decoder.stride=320",
        "decoder.size=1280", "decoder.width=128", "decoder.inner=256", "decoder.kernel=7", "decoder.layer_scale=0.25",
        "decoder.depth=2",
    ),
    "codec_wide_encoder": codec(encoder=16, decoder=8),
    "codec_wide_decoder": codec(encoder=8, decoder=16),
    "rvq_4_one_mel": (*residual(4), "objective.terms.mel.windows=[1024]", "objective.terms.mel.bins=[80]"),
    "rvq_4_absolute_error": (*residual(4), "objective=absolute_error"),
    "rvq_4_adversarial": (*residual(4), "adversary=multi_scale_stft", "adversary.start=0.7",
                          "data.segment_seconds=0.5"),
    **{f"rvq_4_mel_{weight:g}": (*residual(4), f"objective.weights.mel={weight}") for weight in (0.1, 10.0)},
    **{f"rvq_4_balanced_{weight:g}": balanced(weight) for weight in (0.1, 1.0, 10.0)},
}  # fmt: skip
# Functions that add figures to a complete run.
EXTRA = {
    **dict.fromkeys(("rvq_8", "rvq_8_dropout_0.5", "rvq_8_dropout_1", "multiscale_3"), f"{FIGURES}:by_levels"),
    "parallel_3": f"{FIGURES}:by_levels",
    **dict.fromkeys(("ema_1024", "ema_1024_uniform", "ema_1024_relative"), f"{FIGURES}:early"),
    "ema_1024_uniform_relative": f"{FIGURES}:early",
    **dict.fromkeys(("rvq_4_zero_gradient", "rvq_4_many_paths"), f"{FIGURES}:left"),
    "rvq_4": f"{FIGURES}:left_and_bits",
    "codec_elu": f"{FIGURES}:streamed_and_timed",
    "codec_inverse_stft": f"{FIGURES}:timed",
    "codec_same": f"{FIGURES}:chunked",
    "rvq_2": f"{FIGURES}:in_half_precision",
}
# What is put into the package before a run, by functions.
DEFECTS = {
    "ema_1024_uniform_undone": f"{DEFECT}:undone_revival",
    "ema_1024_absolute": f"{DEFECT}:absolute_revival",
    "ema_1024_uniform_absolute": f"{DEFECT}:absolute_revival",
    "rvq_4_zero_gradient": f"{DEFECT}:zero_gradient",
    "rvq_4_many_paths": f"{DEFECT}:many_paths",
}


def overrides(name: str, steps: int) -> list[str]:
    """The overrides of a run of so many steps."""
    convolutional = name.startswith("codec_")
    steps = max(1, round(steps * (CODEC_SHARE if convolutional else 1.0)))
    own = [
        f"trainer.max_steps={steps}",
        f"trainer.val_check_interval={max(1, steps // 2)}",
        "trainer.log_every_n_steps=50",
    ]
    # A run's own choices come last.
    return [*BASE, *(() if convolutional else SPECTRAL), *RUNS[name], *own]
