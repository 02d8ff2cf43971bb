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
    assert numbers == sorted(set(numbers)) and set(numbers) <= set(range(1, 25))
    needed = {run for claim in literature_images.CLAIMS for run in claim.runs}
    assert needed == set(RUNS)
    assert 3 * len(needed) <= 150


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
