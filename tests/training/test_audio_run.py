"""A run on sounds: from the experiment's file to samples, page, evaluation by levels and export."""

import json
import math

import numpy as np
import pytest
import soundfile
from tiny_runs import composed

import signaltok
from signaltok.cli.main import main
from signaltok.training.config.resolve import plain
from signaltok.training.evaluation_run import evaluate_run
from signaltok.training.run import run

TINY = (
    "experiment=audio_fsq", "encoder.widths=[8,8]", "decoder.widths=[8,8]", "encoder.depth=1", "decoder.depth=1",
    "encoder.stride=32", "tokenizer.block=4096", "trainer=cpu", "trainer.max_steps=2", "trainer.log_every_n_steps=1",
    "callbacks.progress_bar=null", "data.batch_size=2", "data.eval_batch_size=2", "data.segment_seconds=0.25",
    "run.limit_eval_batches=1", "task_name=test", "quantizer=rvq", "quantizer.num_codebooks=3",
    "quantizer.level.codebook_size=16", "quantizer.level.latent_dim=4",
)  # fmt: skip


def tiny(tmp_path, *overrides):
    places = (f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}", "paths.root_dir=.")
    return plain(composed(*TINY, *places, *overrides))


def go(settings):
    return run(settings, command=["python", "train.py"], overrides=[])


def test_a_run_is_evaluated_by_levels_and_exported(tmp_path, capsys):
    figures = go(tiny(tmp_path))
    folder = tmp_path / "run"
    assert {"test/si_sdr", "test/log_mel_dac", "test/stoi", "test/bitrate", "val/usage_2"} <= figures.keys()
    assert "test/psnr" not in figures and "test/bits_per_pixel" not in figures
    assert figures["test/bitrate"] == pytest.approx(16000 / 32 * 4 * 3)
    assert math.isfinite(figures["train/mel"])
    assert len(list((folder / "samples").glob("*_original.flac"))) == 2
    assert "<audio" in (folder / "report.html").read_text()
    assert "split by" not in (folder / "report.html").read_text()

    config = composed(
        f"run.path={folder}", f"paths.output_dir={tmp_path / 'eval'}", "run.levels=[1,3]", "run.limit_eval_batches=1",
        "paths.root_dir=.", name="eval",
    )  # fmt: skip
    found = evaluate_run(config, command=["python", "eval.py"], overrides=[f"run.path={folder}"])
    assert found["test/si_sdr"] == pytest.approx(figures["test/si_sdr"]), "data and metrics are the run's"
    curve = json.loads((tmp_path / "eval/levels.json").read_text())
    assert curve["split"] == "test" and list(curve["levels"]) == ["1", "3"]
    assert curve["levels"]["3"]["si_sdr"] == pytest.approx(found["test/si_sdr"])
    assert curve["levels"]["1"]["bitrate"] == pytest.approx(16000 / 32 * 4)
    assert "By number of levels" in (tmp_path / "eval/report.html").read_text()

    assert main(["export", str(folder), str(tmp_path / "exported")]) == 0
    assert signaltok.load(tmp_path / "exported").sample_rate == 16000
    assert (tmp_path / "exported/samples/00_original.flac").is_file()
    config = composed(
        f"run.path={tmp_path / 'exported'}", f"paths.output_dir={tmp_path / 'again'}", "data=speech", "metrics=audio",
        "data.eval_batch_size=2", "run.limit_eval_batches=1", "run.report=false", "paths.root_dir=.", name="eval",
    )  # fmt: skip
    again = evaluate_run(config, command=["python", "eval.py"], overrides=["data=speech", "metrics=audio"])
    assert again["test/si_sdr"] == pytest.approx(figures["test/si_sdr"])


def test_a_file_that_only_its_samples_show_to_be_broken_ends_no_run_and_no_evaluation(tmp_path):
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 8000).astype(np.float32)
    soundfile.write(sounds / "good.wav", samples, 16000)
    samples[5000] = np.nan
    soundfile.write(sounds / "nan.wav", samples, 16000, subtype="FLOAT")
    there = ("data=audio_folder", f"data.root={sounds}", "data.sample_rate=16000", "data.split=all")
    go(tiny(tmp_path, *there, "metrics={}", "metric_for_sweep=null", "run.report=false"))
    told = json.loads((tmp_path / "run/provenance.json").read_text())["data"]
    assert told["unreadable"]["files"] == 1 and told["unreadable"]["which"].startswith("nan.wav (it holds samples")

    overrides = [f"run.path={tmp_path / 'run'}", f"paths.output_dir={tmp_path / 'eval'}", "run.report=false"]
    config = composed(*overrides, "paths.root_dir=.", name="eval")
    evaluate_run(config, command=["python", "eval.py"], overrides=overrides)
    assert json.loads((tmp_path / "eval/provenance.json").read_text())["data"] == told


def test_too_many_levels_are_named(tmp_path):
    go(tiny(tmp_path, "run.evaluate=false"))
    config = composed(
        f"run.path={tmp_path / 'run'}", f"paths.output_dir={tmp_path / 'eval'}", "run.levels=[4]", "paths.root_dir=.",
        "run.limit_eval_batches=1", name="eval",
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"run\.levels has 4: there are 3 levels"):
        evaluate_run(config, command=["python", "eval.py"], overrides=[])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tokenizer.sample_rate=24000", "data gives 16000 samples a second, tokenizer.sample_rate is 24000"),
        ("encoder.channels=2", "data gives 1 channels, the encoder takes 2"),
    ],
)
def test_data_and_tokenizer_must_agree(tmp_path, override, message):
    with pytest.raises(ValueError, match=message):
        go(tiny(tmp_path, override))
