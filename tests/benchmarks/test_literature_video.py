"""The claims about video tokenizers: their runs compose and build, their judges say what the numbers say."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import literature_video  # noqa: E402
from hydra import compose, initialize_config_dir  # noqa: E402
from literature import FAILS, HOLDS, IN_SIGN, execute, values_of  # noqa: E402
from literature_video_runs import DEFECTS, EXTRA, RUNS  # noqa: E402

from signaltok.training.assemble import build_tokenizer  # noqa: E402
from signaltok.training.config.check import check  # noqa: E402
from signaltok.training.config.resolve import plain, prepare  # noqa: E402
from signaltok.training.config.schema import TrainConfig  # noqa: E402


def test_every_claim_names_runs_that_compose_and_build_and_have_equal_codes():
    assert [claim.name for claim in literature_video.CLAIMS] == ["25", "26", "27", "28", "29"]
    assert {run for claim in literature_video.CLAIMS for run in claim.runs} == {*RUNS} >= {*EXTRA, *DEFECTS}
    prepare()
    strides = {}
    for name in RUNS:
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            config = compose("train", [*literature_video.overrides(name, 100), "paths.output_dir=run"])
        settings = plain(config)
        check(settings, TrainConfig)
        tokenizer = build_tokenizer(settings)
        assert tokenizer.quantizer.codebook_sizes == (1000,) and settings["trainer"]["max_steps"] == 100
        strides[name] = tokenizer.encoder.stride
    assert strides.pop("frames") == (1, 16, 16) and set(strides.values()) == {(4, 8, 8)}


def verdict(name: str, values: dict[str, dict[str, float]]) -> str:
    """Of one claim for figures that rise a little from seed to seed."""
    (found,) = [claim for claim in literature_video.CLAIMS if claim.name == name]
    seeds = {run: {k: [x + 0.01 * n for n in range(3)] for k, x in own.items()} for run, own in values.items()}
    text, said = found.judge(seeds)
    assert text
    return said


P, S = "test/psnr", "step/seconds"


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("25", {"not_causal": {P: 25.0}, "causal": {P: 24.0}}, HOLDS),
        ("25", {"not_causal": {P: 27.0}, "causal": {P: 24.0}}, IN_SIGN),
        ("25", {"not_causal": {P: 23.9}, "causal": {P: 24.0}}, FAILS),
        ("26", {"causal": {P: 25.0, "test/bitrate": 9e3}, "frames": {P: 24.0, "test/bitrate": 9e3}}, HOLDS),
        ("26", {"causal": {P: 24.0, "test/bitrate": 9e3}, "frames": {P: 25.0, "test/bitrate": 9e3}}, FAILS),
        ("28", {"inflated": {P: 25.0}, "causal": {P: 24.0}}, HOLDS),
        ("28", {"inflated": {P: 23.0}, "causal": {P: 24.0}}, FAILS),
        ("29", {"haar": {P: 23.9, S: 0.2}, "without_front": {P: 24.0, S: 0.5}}, HOLDS),
        ("29", {"haar": {P: 23.7, S: 0.2}, "without_front": {P: 24.0, S: 0.5}}, FAILS),
        ("29", {"haar": {P: 24.0, S: 0.5}, "without_front": {P: 24.0, S: 0.2}}, FAILS),
    ],
)
def test_the_judges_say_what_the_numbers_say(name, values, expected):
    assert verdict(name, values) == expected


@pytest.mark.parametrize(
    ("difference", "blocks", "expected"), [(9e-6, 0.0, HOLDS), (2e-5, 0.0, FAILS), (0.0, 1e-7, FAILS)]
)
def test_a_stream_is_the_whole_by_its_blocks_and_up_to_rounding_otherwise(difference, blocks, expected):
    values = {"causal": {"stream/difference": [0.0, difference], "stream/by_blocks": [0.0, blocks]}}
    (found,) = [claim for claim in literature_video.CLAIMS if claim.name == "27"]
    assert found.judge(values)[1] == expected


LOOKS_AHEAD = """
import sys
sys.path.insert(0, "benchmarks")
import torch
from literature_video_runs import look_ahead
from signaltok.decoders.video import VideoDecoder
from signaltok.encoders.video import VideoEncoder
from signaltok.layers.front import Patches
look_ahead()
shape = dict(axes=3, channels=3, front=Patches(time=1, space=2), time_strides=[2, 2], depth=1, time_kernel=3,
             latent_dim=3)
encoder, decoder = VideoEncoder(widths=[4, 6], **shape), VideoDecoder(widths=[6, 4], **shape)
clip = torch.rand(1, 3, 8, 8, 8)
other = torch.cat([clip[:, :, :6], -clip[:, :, 6:]], dim=2)
z, changed = encoder(clip, None), encoder(other, None)
assert z.shape == (1, 3, 2, 2, 2) and decoder(z, None).shape == clip.shape and encoder.lead is None
assert not torch.equal(z[:, :, 0], changed[:, :, 0]), "the first cell looks at the last frames"
"""


def test_the_counterpart_of_claim_25_looks_ahead():
    """In a process of its own, as its run is: it changes the package."""
    subprocess.run([sys.executable, "-c", LOOKS_AHEAD], cwd=ROOT, check=True)


def test_a_run_leaves_the_values_that_its_claims_need(tmp_path):
    small = (
        "encoder.widths=[4,4]", "decoder.widths=[4,4]", "data.frames=5", "data.size=16", "data.eval_frames=5",
        "run.limit_eval_batches=1", "data.cache_megabytes=0",
    )  # fmt: skip
    execute([*literature_video.overrides("causal", 2), *small, "seed=0"], tmp_path / "run", EXTRA["causal"])
    values = values_of(tmp_path / "run")
    assert values["stream/by_blocks"] == 0 and values["stream/difference"] < 1e-5
    assert {"test/psnr", "test/bitrate"} <= values.keys()
