"""The machinery of the literature benchmark; its table is made by the command itself."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import literature_images  # noqa: E402
from hydra import compose, initialize_config_dir  # noqa: E402
from literature import FAILS, HOLDS, IN_SIGN, NOT_RUN, Claim, above, execute, report, rising, values_of  # noqa: E402
from literature_image_runs import RUNS  # noqa: E402

from signaltok.training.assemble import build_tokenizer  # noqa: E402
from signaltok.training.config.check import check  # noqa: E402
from signaltok.training.config.resolve import plain, prepare  # noqa: E402
from signaltok.training.config.schema import TrainConfig  # noqa: E402


@pytest.mark.parametrize("name", RUNS)
def test_every_run_composes_and_builds(name):
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", [*literature_images.overrides(name, 100), "paths.output_dir=run"])
    settings = plain(config)
    check(settings, TrainConfig)
    build_tokenizer(settings)


def test_every_claim_names_runs_that_there_are():
    numbers = [int(claim.name) for claim in literature_images.CLAIMS]
    assert numbers == sorted(set(numbers)) and set(numbers) <= {*range(1, 25), 30, 31}
    needed = {run for claim in literature_images.CLAIMS for run in claim.runs}
    assert needed == set(RUNS)
    about_pictures = {run for claim in literature_images.CLAIMS if int(claim.name) <= 24 for run in claim.runs}
    assert 3 * len(about_pictures) <= 150


def claim(name: str, values: dict[str, dict[str, list[float]]]) -> tuple[str, str]:
    (found,) = [claim for claim in literature_images.CLAIMS if claim.name == name]
    return found.judge(values)


def test_claim_30_needs_better_probes_less_psnr_and_a_smaller_loss_with_eight_books():
    def values(psnr_8: float, probe_8: float = 0.5) -> dict[str, dict[str, list[float]]]:
        figures = {"alone_1": (0.3, 20.0), "joint_1": (0.4, 19.0), "alone_8": (0.3, 25.0), "joint_8": (probe_8, psnr_8)}
        return {
            run: {name: [value + 0.01 * seed for seed in range(3)] for name, value in zip(names, both, strict=True)}
            for run, both in figures.items()
            for names in [("test/probe_z_q", "test/psnr")]
        }

    text, verdict = claim("30", values(24.5))
    assert verdict == HOLDS
    assert text == (
        "joint and alone, 1 x 2048: probe 41.0 ± 1.0, 31.0 ± 1.0 %, 1.00 ± 0.00 dB less; "
        "8 x 256: probe 51.0 ± 1.0, 31.0 ± 1.0 %, 0.50 ± 0.00 dB less"
    )
    for worse in (values(23.5), values(25.5), values(24.5, probe_8=0.2)):
        assert claim("30", worse)[1] == FAILS


def test_claim_31_needs_a_share_of_the_recall_that_rises_with_depth_to_nine_tenths():
    def values(last: float, second: float = 0.3) -> dict[str, dict[str, list[float]]]:
        shares = {"pre": 1.0, "of_1_levels": 0.2, "of_2_levels": second, "of_4_levels": 0.6, "of_8_levels": last}
        return {
            "contrastive_depth_8": {
                f"test/recall_at_10_{way}_{what}": [0.5 * share] * 3
                for way in ("image_to_text", "text_to_image")
                for what, share in shares.items()
            }
        }

    assert claim("31", values(0.95)) == ("of R@10, by 1, 2, 4, 8 levels: 20 ± 0 %, 30 ± 0 %, 60 ± 0 %, 95 ± 0 %", HOLDS)
    assert claim("31", values(0.8))[1] == FAILS and claim("31", values(0.95, second=0.1))[1] == FAILS


@pytest.mark.parametrize(
    ("name", "term", "batch"),
    [("vq_adversarial", "perceptual", 4), ("joint_8", "align", 48), ("gradient_1024_batch_16", "codebook", 16)],
)
def test_a_run_may_have_another_objective_or_batch_than_most(name, term, batch):
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", [*literature_images.overrides(name, 100), "paths.output_dir=run"])
    assert term in config.objective.terms and config.data.batch_size == batch


@pytest.mark.parametrize(
    ("high", "low", "verdict"),
    [
        ([2.0, 2.1, 2.2], [1.0, 1.1, 1.2], HOLDS),
        ([2.0, 3.0, 4.0], [1.9, 2.9, 3.9], IN_SIGN),
        ([2.0, 2.1, 2.2], [1.0, 2.2, 1.2], FAILS),
        ([2.0], [1.0], IN_SIGN),  # one seed has no spread to be held against
    ],
)
def test_a_verdict_needs_every_seed_and_two_spreads(high, low, verdict):
    assert above(high, low) == verdict


def test_a_sequence_rises_as_its_weakest_step():
    assert rising([1.0, 1.1, 1.0], [2.0, 2.1, 2.0], [2.05, 2.15, 2.05]) == IN_SIGN
    assert rising([1.0, 1.1, 1.0], [2.0, 2.1, 2.0], [1.9, 2.2, 2.1]) == FAILS


def test_the_table_says_what_was_not_run():
    claims = [
        Claim("1", "first", "a", ("x", "y"), lambda v: (f"{v['x']['p'][0]}", above(v["x"]["p"], v["y"]["p"]))),
        Claim("2", "second", "b", ("x", "z"), lambda v: ("", HOLDS)),
    ]
    values = {"x": {"p": [2.0, 2.1]}, "y": {"p": [1.0, 1.1]}}
    text = report(claims, {"1", "2"}, values, 2, 10)
    assert "| 1 | first | a | 2.0 | holds |" in text and f"| 2 | second | b |  | {NOT_RUN} |" in text
    assert "2 claims: 1 holds, 1 not run. 10 steps a run, 2 seeds." in text


def test_a_run_leaves_the_values_that_its_claims_need(tmp_path):
    small = ("encoder.widths=[8,8]", "decoder.widths=[8,8]", "run.limit_eval_batches=1", "data.eval_batch_size=2")
    overrides = [*literature_images.overrides("residual_8_256", 4), *small, "quantizer.level.codebook_size=8"]
    execute(overrides, tmp_path / "run", None)
    values = values_of(tmp_path / "run")
    assert {"test/psnr", "test/usage", "train/commitment"} <= values.keys()


def test_the_plot_shows_runs_of_the_claims():
    assert {*literature_images.PLOT} <= {run for claim in literature_images.CLAIMS for run in claim.runs}
