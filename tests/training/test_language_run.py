"""A language model through the same training room: run folder, report, resume, and what does not go together."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_resume import equal
from tiny_runs import ROOT, composed

from signaltok.checkpoint import read_checkpoint
from signaltok.cli.main import main
from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.language.decoding import ORIGIN
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.store.index import fill_store
from signaltok.store.plan import Header, Item
from signaltok.tokenizer import Tokenizer
from signaltok.training.assemble import build_data
from signaltok.training.config.check import check
from signaltok.training.config.resolve import plain
from signaltok.training.config.schema import TrainConfig
from signaltok.training.language_module import LanguageModule
from signaltok.training.run import resumed_settings, run, train

SMALL = (
    "experiment=lm_tiny", "trainer=cpu", "task_name=test", "callbacks.progress_bar=null", f"paths.root_dir={ROOT}",
    "language_model.context=32", "language_model.width=16", "language_model.depth=1", "language_model.heads=2",
    "data.batch_size=2", "data.texts={}", "data.pieces={image: [2, 3]}", "metrics.samples.sizes={image: [8, 12]}",
    "metrics.samples.count=2", "metrics.samples.unconstrained=1", "metrics.samples.most=40", "metrics.overfit.steps=2",
    "metrics.control.steps=2", "trainer.max_steps=6", "trainer.val_check_interval=3", "trainer.log_every_n_steps=1",
    "callbacks.model_checkpoint.every_n_train_steps=2",
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Codes of noise, by a tokenizer that nobody trained."""
    folder = tmp_path_factory.mktemp("stores")
    torch.manual_seed(0)
    shape = {"axes": 2, "channels": 3, "stride": 4, "widths": [8, 8], "depth": 1, "latent_dim": 4}
    quantizer = FiniteScalarQuantizer(latent_dim=4, levels=[5, 5], estimator=StraightThrough())
    tokenizer = Tokenizer(
        encoder=ConvEncoder(**shape), quantizer=quantizer, decoder=ConvDecoder(**shape), value_range=(-1.0, 1.0),
        block=64, sample_rate=None,
    ).eval()  # fmt: skip
    exported = tokenizer.save(folder / "exported")
    header = Header.from_json(json.loads((exported / "config.json").read_text()))
    generator = np.random.default_rng(0)

    def compute(key):
        return Item(key=key, levels=(generator.integers(0, 25, (5, 6)),), signal_size=(18, 22))

    keys = [f"{number:03d}.png" for number in range(40)]
    fill_store(
        folder / "tokens", header, keys, shard_items=40, device="none", compute=compute, advance=lambda done: None
    )
    (folder / "tokens" / ORIGIN).write_text(json.dumps({"tokenizer": str(exported), "folder": "gone"}))
    return folder / "tokens"


def settings_of(store, place, *overrides):
    places = (f"paths.output_dir={place}", f"paths.log_dir={place.parent}", f"data.store={store}")
    return plain(composed(*SMALL, *places, *overrides))


@pytest.fixture(scope="module")
def finished(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    settings = settings_of(store, folder)
    check(settings, TrainConfig)
    return folder, run(settings, command=["test"], overrides=[])


def test_the_run_folder_has_what_a_run_has(finished):
    folder, figures = finished
    for name in ("config.yaml", "summary.json", "provenance.json", "metrics.csv", "vocab.json", "proof.json"):
        assert (folder / name).is_file(), name
    for name in (
        "val/bits_per_token",
        "test/bits_per_token_image",
        "val/unigram_image",
        "test/bits_per_dimension_image",
    ):
        assert np.isfinite(figures[name]), name
    assert figures["test/bits_per_dimension_image"] > 0
    assert figures["val/parse_rate"] == 1.0 and {"val/overfit_bits", "val/control_bits_per_token_image"} <= set(figures)
    proof = json.loads((folder / "proof.json").read_text())
    assert list(proof) == [
        "below unigram", "overfit", "constrained samples parse", "samples decode", "shuffled control"
    ]  # fmt: skip
    assert proof["samples decode"]["passed"] and not proof["overfit"]["passed"]
    assert json.loads((folder / "summary.json").read_text()) == figures
    page = (folder / "report.html").read_text()
    assert page.count('alt="image"') == 2 and "Made by the model" in page and "does not hold" in page
    assert "Originals and reconstructions" not in page
    assert len(list((folder / "samples").glob("*_image.png"))) == 2
    with (folder / "metrics.csv").open() as file:
        logged = list(csv.DictReader(file))
    assert [row["step"] for row in logged if row["train/loss_image"]] == [str(step) for step in range(1, 7)]


def test_a_resumed_run_equals_the_unbroken_one_to_the_bit(finished, store, tmp_path, monkeypatch):
    start = LanguageModule.on_train_batch_start

    def stop(module, batch, batch_idx):
        if module.batches_seen == 5:
            raise RuntimeError("the machine went down")
        return start(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(LanguageModule, "on_train_batch_start", stop)
        with pytest.raises(RuntimeError, match="the machine went down"):
            run(settings_of(store, tmp_path / "broken"), command=["test"], overrides=[])
    torch.manual_seed(99)
    folder = tmp_path / "broken"
    assert read_checkpoint(folder / "checkpoints/last.ckpt")["batches_seen"] == 4
    figures = run(resumed_settings(folder, []), command=["test"], overrides=[])
    whole, expected = finished
    one, two = (read_checkpoint(f / "checkpoints/last.ckpt") for f in (folder, whole))
    for key in ("state_dict", "optimizer_states", "batches_seen", "random_state", "log_window", "vocabulary"):
        equal(one[key], two[key], key)
    assert (folder / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    timed = ("train/seconds", "run/seconds")
    assert {k: v for k, v in figures.items() if k not in timed} == {k: v for k, v in expected.items() if k not in timed}
    for name in ("00_image.png", "01_image.png"):
        assert (folder / "samples" / name).read_bytes() == (whole / "samples" / name).read_bytes()


def test_no_tokenizer_comes_out_of_it(finished, capsys):
    folder, _ = finished
    assert main(["export", str(folder)]) == 1
    assert "is not a checkpoint of a tokenizer run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+language_model.widht=3"], r"language_model\.widht is not an argument of .*GPT; did you mean width\?"),
        (["+language_model.vocabulary_size=3"], r"language_model\.vocabulary_size is given by the run"),
        (["~language_model.width"], "language_model lacks width"),
    ],
)
def test_misspelt_keys_are_named(store, tmp_path, overrides, message):
    with pytest.raises(ValueError, match=message):
        check(settings_of(store, tmp_path / "run", *overrides), TrainConfig)


@pytest.mark.parametrize("group", ["quantizer=fsq", "adversary=patch", "objective=structural"])
def test_parts_of_a_tokenizer_are_refused(group):
    with pytest.raises(
        ValueError, match=rf"{group.partition('=')[0]} is of a tokenizer, and this run trains a language"
    ):
        train(composed("experiment=lm_tiny", group), command=["test"], overrides=[])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["run.init_from=x"], r"run\.init_from is for tokenizers"),
        (
            ["+metrics.psnr={_target_: signaltok.metrics.distortion.PeakSignalToNoiseRatio}"],
            r"metrics\.psnr measures tokenizers .*metrics=language",
        ),
        (["callbacks.best_checkpoint.monitor=val/psnr"], "monitor is val/psnr, but this run gives test/bits_per_token"),
        (["metric_for_sweep=val/psnr"], "metric_for_sweep is val/psnr"),
        (["data.store=nowhere"], "nowhere is not a token store"),
    ],
)
def test_what_a_language_model_cannot_be_run_with(store, tmp_path, overrides, message):
    with pytest.raises(ValueError, match=message):
        run(settings_of(store, tmp_path / "run", *overrides), command=["test"], overrides=[])
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_tokenizer_is_not_trained_on_tokens(store, tmp_path):
    settings = plain(composed("data=tokens", f"data.store={store}", "data.context=8", f"paths.output_dir={tmp_path}/x"))
    with pytest.raises(ValueError, match="TokenData, which gives no signals, which a tokenizer needs"):
        run(settings, command=["test"], overrides=[])
    photos = plain(composed("data=photos", f"paths.output_dir={tmp_path}/x", f"paths.root_dir={ROOT}"))["data"]
    with pytest.raises(ValueError, match="FolderData, which gives no tokens; give data=tokens"):
        build_data({"data": photos, "language_model": {}})


def test_another_tokenizer_where_the_store_says_it_lies_is_refused(store, tmp_path):
    from signaltok.language.decoding import tokenizer_of
    from signaltok.store.index import read_store

    made = tokenizer_of(read_store(store))
    assert made is not None and made.quantizer.codebook_sizes == read_store(store).header.codebook_sizes
    origin = json.loads((store / ORIGIN).read_text())
    other = Path(ROOT) / "tests" / "golden" / "tokenizer_v1"
    try:
        (store / ORIGIN).write_text(json.dumps({**origin, "tokenizer": str(other)}))
        with pytest.raises(ValueError, match="it holds the codes of tokenizer"):
            tokenizer_of(read_store(store))
        (store / ORIGIN).unlink()
        assert tokenizer_of(read_store(store)) is None
    finally:
        (store / ORIGIN).write_text(json.dumps(origin))
