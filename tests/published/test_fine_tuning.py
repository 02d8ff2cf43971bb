"""run.init_from=IMPORTED: a config with the same sizes takes the weights up, and trains."""

import pytest
import torch
from public_models import dac_of_transformers, encodec_of_its_package, mimi, snac, sound
from tiny_runs import composed

import signaltok
from signaltok.cli.main import main
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.resolve import plain
from signaltok.training.run import run
from signaltok.training.start import take_weights

SOUNDS = ("data=speech", "objective=multi_scale_mel", "metrics=audio", "callbacks=audio", "trainer=cpu")
LSTM = ("encoder.bottleneck.0.width=16", "decoder.bottleneck.0.width=16")
FACTORISED = ("quantizer.level.codebook_size=16", "quantizer.level.codebook_dim=4")
TRANSFORMER = tuple(f"encoder.latent_layers.0.{size}" for size in ("depth=2", "heads=2", "inner=48", "window=5"))
SAME = {
    "encodec": (
        encodec_of_its_package,
        (
            *("encoder=codec_lstm", "decoder=codec_lstm", "quantizer=rvq", *LSTM, "quantizer.num_codebooks=3"),
            *("encoder.width=4", "encoder.strides=[4,5]", "encoder.latent_dim=8", "tokenizer.block=24000"),
            *("quantizer.level.latent_dim=8", "quantizer.level.codebook_size=16"),
        ),
    ),
    "dac": (
        lambda: dac_of_transformers([2, 4]),
        (
            *("encoder=codec_snake", "decoder=codec_snake", "quantizer=rvq_factorised", "quantizer.num_codebooks=3"),
            *("encoder.width=8", "decoder.width=4", "encoder.strides=[2,4]", "encoder.latent_dim=32", *FACTORISED),
            "tokenizer.block=16000",
        ),
    ),
    "snac": (
        lambda: snac(None),
        (
            *("encoder=codec_depthwise", "decoder=codec_depthwise", "quantizer=snac", *FACTORISED),
            *("encoder.width=16", "encoder.strides=[2,5]", "encoder.latent_dim=64", "tokenizer.block=16000"),
        ),
    ),
    "mimi": (
        mimi,
        (
            *("encoder=codec_transformer", "decoder=codec_transformer", "quantizer=split", *TRANSFORMER),
            *("encoder.width=4", "encoder.strides=[2,5]", "encoder.latent_dim=32", "tokenizer.block=16000"),
            *("quantizer.acoustic.num_codebooks=3", "quantizer.acoustic.latent_dim=8"),
            "quantizer.acoustic.level.codebook_size=16",
        ),
    ),
}


def settings(tmp_path, *overrides):
    return plain(
        composed(
            *overrides, *SOUNDS, "tokenizer.sample_rate=16000", f"paths.output_dir={tmp_path / 'run'}",
            f"paths.log_dir={tmp_path}",
            "paths.root_dir=.", "task_name=test", "callbacks.progress_bar=null", "run.report=false",
        )
    )  # fmt: skip


def imported(family, tmp_path):
    make, overrides = SAME[family]
    assert main(["import", family, str(make().save(tmp_path)), str(tmp_path / "imported")]) == 0
    return tmp_path / "imported", overrides


@pytest.mark.parametrize("family", SAME)
def test_a_config_of_the_same_sizes_takes_the_weights_up(family, tmp_path):
    folder, overrides = imported(family, tmp_path)
    ours = signaltok.load(folder)
    tokenizer = build_tokenizer(settings(tmp_path, *overrides))
    take_weights(tokenizer, folder, "best")
    signal = sound(ours.encoder.stride[0] * 40)
    with torch.no_grad():
        left, right = (model.eval().encode(signal) for model in (ours, tokenizer))
        assert all(float((a == b).float().mean()) > 0.99 for a, b in zip(left.levels, right.levels, strict=True))
        torch.testing.assert_close(tokenizer.decode(left), ours.decode(left), atol=1e-5, rtol=0)


def test_a_run_starts_from_an_imported_codec(tmp_path):
    folder, overrides = imported("encodec", tmp_path)
    steps = ("trainer.max_steps=2", "trainer.log_every_n_steps=1", "data.batch_size=2", "data.eval_batch_size=2",
             "data.segment_seconds=0.25", "run.limit_eval_batches=1", "run.evaluate=false",
             "optimization.learning_rate=1e-30")  # fmt: skip
    run(settings(tmp_path, *overrides, *steps, f"run.init_from={folder}"), command=["test"], overrides=[])
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "again")]) == 0
    before, after = (signaltok.load(place).state_dict() for place in (folder, tmp_path / "again"))
    for name in before:
        if name.startswith(("encoder.", "decoder.")):
            torch.testing.assert_close(after[name], before[name], atol=1e-6, rtol=1e-5)
