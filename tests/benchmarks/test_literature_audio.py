"""The claims about audio: their runs compose and build, their judges say what the numbers say."""

import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import literature_audio  # noqa: E402
import literature_audio_defects as defects  # noqa: E402
from hydra import compose, initialize_config_dir  # noqa: E402
from literature import FAILS, HOLDS, named  # noqa: E402
from literature_audio_figures import adaptive_bits, frequencies, range_coded, range_decoded  # noqa: E402
from literature_audio_runs import DEFECTS, DIM, EXTRA, RUNS  # noqa: E402
from literature_image_runs import RUNS as IMAGE_RUNS  # noqa: E402

from signaltok.quantizers.codebook.estimator import StraightThrough  # noqa: E402
from signaltok.quantizers.codebook.initialization import DataSample  # noqa: E402
from signaltok.quantizers.codebook.revival import UsageRevival  # noqa: E402
from signaltok.quantizers.codebook.update import ExponentialMovingAverage  # noqa: E402
from signaltok.quantizers.codebook.vector import VectorQuantizer  # noqa: E402
from signaltok.quantizers.residual import ResidualQuantizer  # noqa: E402
from signaltok.training.assemble import build_tokenizer  # noqa: E402
from signaltok.training.config.build import build  # noqa: E402
from signaltok.training.config.check import check  # noqa: E402
from signaltok.training.config.resolve import plain, prepare  # noqa: E402
from signaltok.training.config.schema import TrainConfig  # noqa: E402

S, M, T, U = "test/si_sdr", "test/log_mel_dac", "test/stft_512to2048", "test/usage"
EARLY, ERROR, LEFT, STOI = "early/log_mel_dac", "train/commitment", "test/left", "test/stoi_of_{}_levels"
RATE, TRUE = "test/bitrate", "test/effective_bitrate"


def levels(*values: float) -> dict[str, float]:
    return {f"test/si_sdr_of_{n + 1}_levels": value for n, value in enumerate(values)}


def each(figure: str, runs: tuple[str, ...], *values: float) -> dict[str, dict[str, float]]:
    return {run: {figure: value} for run, value in zip(runs, values, strict=True)}


def both(one: dict[str, dict[str, float]], *others: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    runs = dict.fromkeys(run for table in (one, *others) for run in table)
    return {run: {k: v for table in (one, *others) for k, v in table.get(run, {}).items()} for run in runs}


DEPTHS = ("rvq_1", "rvq_2", "rvq_4", "rvq_8")
DROPPED, FREE = "rvq_8_dropout_0.5", "rvq_8"
DIMS = tuple(f"factorised_4_dim_{dim}" for dim in (2, 8, 32, DIM))
SIMVQ = tuple(f"simvq_speech_{size}" for size in (256, 1024, 4096))
EMA = tuple(f"ema_{size}" for size in (256, 1024, 4096))
STARTS = ("ema_1024", "ema_1024_relative", "ema_1024_uniform", "ema_1024_uniform_relative")
PATHS = ("rvq_4", "rvq_4_zero_gradient", "rvq_4_many_paths")
SCALES = ("multiscale_3", "parallel_3")
HEADS = ("codec_inverse_stft", "codec_elu")
LOSSES = ("rvq_4", "rvq_4_one_mel", "rvq_4_absolute_error")
WEIGHTS = (
    "rvq_4_mel_0.1", "rvq_4", "rvq_4_mel_10", "rvq_4_balanced_0.1", "rvq_4_balanced_1", "rvq_4_balanced_10",
)  # fmt: skip
# Numbers by which each claim holds.
GOOD = {
    "A1": both(each(S, DEPTHS, 1, 4, 6, 8), each(M, DEPTHS, 4, 3, 2, 1), each(T, DEPTHS, 4, 3, 2, 1)),
    "A2": both(each(S, DEPTHS, 2, 4, 6, 8), {DROPPED: levels(1.5, 4, 6, 7, 7, 7, 7, 7), FREE: levels(*[0] * 8)}),
    "A3": each(S, (FREE, DROPPED, "rvq_8_dropout_1"), 8, 7.9, 7),
    "A4": {
        DROPPED: {"test/perplexity_0": 200, **levels(1, 4, 5, 5, 5, 5, 6, 6.5)},
        FREE: {"test/perplexity_0": 90},
    },
    "B1": each(
        U, ("factorised_256", "ema_256", "ema_4096", *literature_audio.BOOKS), 0.99, 0.98, 0.3, 0.6, 0.7, 0.8
    ),
    "B2": both(each(S, DIMS, 1, 4, 5, 2), each(RATE, DIMS, 10, 10, 10, 10), each(TRUE, DIMS, 8, 9, 9, 5)),
    "B3": both(
        each(M, (*SIMVQ, *EMA), 3, 2, 1, 3, 2, 1.9), each(U, (*SIMVQ, *EMA), 1, 1, 1, 1, 1, 0.3)
    ),
    "B4": both(
        each(U, literature_audio.BAD, 0.01, 0.02, 0.9, 0.95),
        each(ERROR, ("ema_1024", "ema_1024_absolute", "ema_1024_relative"), 0.07, 0.15, 0.06),
    ),
    "B5": both(each(M, STARTS, 1, 1, 3, 1.1), each(EARLY, STARTS, 2, 2, 4, 3)),
    "B6": both(each(S, PATHS, 5, 4, 3), each(LEFT, PATHS, 0.1, 0.3, 0.2)),
    "B7": both(
        each(S, ("rvq_4", "group_rvq_2_of_2", "group_fsq_4", "rvq_2", "group_fsq_2", "fsq_65536"), 5, 5, 4.5, 4, 3, 3),
        {"group_fsq_4": {U: 1.0}},
    ),
    "B8": both(each(M, ("rvq_4", "rvq_32_of_2"), 1, 2), each(S, ("rvq_4", "rvq_32_of_2"), 2, 1)),
    "C1": both(each(M, ("multiscale_3", "rvq_2_of_128"), 1.03, 1), each(S, ("multiscale_3", "rvq_2_of_128"), 2, 1)),
    "C2": both(each(S, SCALES, 5, 3), each("test/si_sdr_of_1_levels", SCALES, -3, 1)),
    "C3": {"multiscale_3": {STOI.format(1): 0.4, STOI.format(3): 0.8}},
    "D1": both(each(S, ("codec_snake", "codec_elu"), 3, 2), each(M, ("codec_snake", "codec_elu"), 1, 2)),
    "D2": both(each(S, ("codec_lstm", "codec_elu"), 3, 2), each(M, ("codec_lstm", "codec_elu"), 1, 2)),
    "D3": both(each(M, HEADS, 1, 1.05), each("decode/realtime", HEADS, 90, 10)),
    "D4": each(S, ("codec_same", "codec_elu"), 3, 2),
    "D5": both(
        each(M, ("codec_wide_decoder", "codec_wide_encoder"), 1, 2),
        each(S, ("codec_wide_decoder", "codec_wide_encoder"), 2, 1),
    ),
    "E1": both(each(S, LOSSES, 3, 4, 6), each(M, LOSSES, 1, 2, 3)),
    "E2": both(each(S, ("rvq_4_adversarial", "rvq_4"), 2, 3), each(M, ("rvq_4_adversarial", "rvq_4"), 2, 1)),
    "E4": each(M, WEIGHTS, 3, 1, 2, 1.2, 1, 1.1),
    "G1": {
        "rvq_4": {f"bits/{n}": x for n, x in
                  {"nominal": 8, "entropy": 7, "coded": 7.02, "adaptive": 7.1, "context": 6}.items()},
    },
    "G2": {"codec_same": {"chunks/exact": 0, "chunks/guessed": 0.2}},
    "G3": {"codec_elu": {"stream/differing": 0}},
    "G4": {"rvq_2": {"batch/bfloat16": 0.06, "batch/float32": 0.001, "batch/exact": 0}},
}  # fmt: skip
# One number of each claim that, changed, makes it fail.
BAD = {
    "A1": ("rvq_8", M, 2.5), "A2": (DROPPED, "test/si_sdr_of_1_levels", 0.5), "A3": (DROPPED, S, 6.5),
    "A4": (FREE, "test/perplexity_0", 210), "B1": ("ema_4096", U, 0.65), "B2": (DIMS[-1], S, 6),
    "B3": ("simvq_speech_4096", M, 1.95), "B4": ("ema_1024_absolute", ERROR, 0.065), "B5": (STARTS[-1], EARLY, 1.9),
    "B6": ("rvq_4_many_paths", S, 6), "B7": ("group_fsq_4", U, 0.9), "B8": ("rvq_32_of_2", M, 0.9),
    "C1": ("multiscale_3", M, 1.1), "C2": ("parallel_3", "test/si_sdr_of_1_levels", -4),
    "C3": ("multiscale_3", STOI.format(1), 0.7), "D1": ("codec_elu", S, 4), "D2": ("codec_elu", S, 4),
    "D3": ("codec_elu", "decode/realtime", 40), "D4": ("codec_elu", S, 4), "D5": ("codec_wide_encoder", M, 0.5),
    "E1": ("rvq_4_one_mel", S, 7), "E2": ("rvq_4_adversarial", M, 0.9), "E4": ("rvq_4_balanced_10", M, 4),
    "G1": ("rvq_4", "bits/coded", 7.2), "G2": ("codec_same", "chunks/exact", 0.001),
    "G3": ("codec_elu", "stream/differing", 1), "G4": ("rvq_2", "batch/exact", 0.01),
}  # fmt: skip


def three(table: dict[str, dict[str, float]]) -> dict[str, dict[str, list[float]]]:
    """Of three seeds, which hardly differ where a number is not exactly zero."""
    return {run: {name: [x, x * 1.0001, x * 0.9999] for name, x in figures.items()} for run, figures in table.items()}


@pytest.mark.parametrize("claim", literature_audio.CLAIMS, ids=lambda claim: claim.name)
def test_a_judge_says_what_the_numbers_say(claim):
    assert set(GOOD[claim.name]) == set(claim.runs)
    measured, verdict = claim.judge(three(GOOD[claim.name]))
    assert verdict == HOLDS and measured
    run, figure, value = BAD[claim.name]
    assert figure in GOOD[claim.name][run]
    assert claim.judge(three(both(GOOD[claim.name], {run: {figure: value}})))[1] == FAILS


def test_the_claims_are_those_of_the_reference_and_their_runs_are_there():
    names = [claim.name for claim in literature_audio.CLAIMS]
    wanted = {"A": range(1, 5), "B": range(1, 9), "C": range(1, 4), "D": range(1, 6), "E": (1, 2, 4), "G": range(1, 5)}
    assert names == [f"{group}{number}" for group, numbers in wanted.items() for number in numbers]
    needed = {run for claim in literature_audio.CLAIMS for run in claim.runs}
    assert needed == set(RUNS) and 3 * len(needed) <= 150
    assert not set(RUNS) & set(IMAGE_RUNS)
    assert set(EXTRA) | set(DEFECTS) <= set(RUNS)
    assert all(callable(named(place)) for place in (*EXTRA.values(), *DEFECTS.values()))


@pytest.mark.parametrize("name", RUNS)
def test_every_run_composes_and_builds(name):
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", [*literature_audio.overrides(name, 100), "paths.output_dir=run"])
    settings = plain(config)
    check(settings, TrainConfig)
    tokenizer = build_tokenizer(settings)
    build(settings["objective"]).check(tokenizer.quantizer)
    assert tokenizer.sample_rate == 16000 and tokenizer.encoder.stride == (320,)


def test_the_two_decoders_of_claim_d3_are_of_one_size():
    sizes = []
    for name in HEADS:
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            settings = plain(compose("train", [*literature_audio.overrides(name, 100), "paths.output_dir=run"]))
        sizes.append(sum(p.numel() for p in build_tokenizer(settings).decoder.parameters()))
    assert abs(sizes[0] - sizes[1]) <= 0.05 * sizes[1]


def residual() -> ResidualQuantizer:
    level = VectorQuantizer(
        latent_dim=4, codebook_size=8, codebook_dim=4, metric="euclidean",
        update=ExponentialMovingAverage(decay=0.9, epsilon=1e-5), estimator=StraightThrough(),
        initialization=DataSample(), revival=None,
    )  # fmt: skip
    return ResidualQuantizer(
        latent_dim=4,
        num_codebooks=3,
        level=level,
        shared=False,
        rescale=1.0,
        dropout=0.0,
        choices=None,
        orthogonal=False,
    ).train()


def gradients(quantizer: ResidualQuantizer, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the sum of z_q, and of the commitment."""
    z = z.clone().requires_grad_()
    quantized = quantizer(z)
    return tuple(
        torch.autograd.grad(value, z, retain_graph=True)[0]
        for value in (quantized.z_q.sum(), quantized.losses["commitment"])
    )


def test_the_defective_stacks_have_their_defects(monkeypatch):
    torch.manual_seed(0)
    z = torch.randn(2, 4, 30)
    stack = residual()
    passed, pulled = gradients(stack, z)
    assert torch.equal(passed, torch.ones_like(z))
    for kind, paths in ((defects.ManyPaths, 3), (defects.ZeroGradient, 1)):
        with monkeypatch.context() as patch:
            for name in ("cut", "paths"):
                patch.setattr(ResidualQuantizer, name, getattr(kind, name), raising=False)
            patch.setattr(ResidualQuantizer, "learn", defects._Written.learn)
            wrong = residual()
            wrong.load_state_dict(stack.state_dict())
            through, commitment = gradients(wrong, z)
        assert torch.allclose(through, paths * torch.ones_like(z))
        if kind is defects.ZeroGradient:
            first = stack.levels[0](z).losses["commitment"]
            assert float(commitment.norm()) > 0 and first.isfinite()
            assert not torch.allclose(commitment, pulled)


def test_the_defective_revivals_have_their_defects():
    update = ExponentialMovingAverage(decay=0.9, epsilon=0.0)
    rows, codes = torch.ones(8, 2), torch.zeros(8, dtype=torch.int64)
    kept = []
    for table in (update.table(4, 2, False), defects.UndoneTable(4, 2, False, 0.9, 0.0)):
        table.start(torch.full((4, 2), 5.0))
        table.replace(torch.tensor([3]), torch.tensor([[7.0, 7.0]]))
        table.observe(rows, codes)
        kept.append(float(table.vectors[3, 0]))
    assert kept == pytest.approx([7.0, 5.0])
    counts = torch.full((8,), 1.5)
    rules = [rule(threshold=0.1, every=1, until=0.8) for rule in (UsageRevival, defects.AbsoluteRevival)]
    assert [len(rule.dead(counts, 1, 0.0)) for rule in rules] == [0, 8]
    assert len(rules[1].dead(counts, 1, 0.9)) == 0


def test_coding_gives_the_codes_back_at_their_entropy():
    generator = torch.Generator().manual_seed(0)
    weights = torch.arange(1, 17, dtype=torch.float) ** 2
    codes = torch.multinomial(weights, 8000, replacement=True, generator=generator).tolist()
    table = frequencies(Counter(codes), 16)
    data = range_coded(codes, table)
    assert range_decoded(data, len(codes), table) == codes
    shares = torch.tensor([n / len(codes) for n in Counter(codes).values()])
    entropy = float(-(shares * shares.log2()).sum())
    assert entropy <= len(data) * 8 / len(codes) <= 1.01 * entropy + 0.01
    again = [[0, 1, 2, 3] * 200]
    assert adaptive_bits(again, 4, 8.0) < 0.2 * adaptive_bits(again, 4, None)
