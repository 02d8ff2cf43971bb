"""A run on speech: from the experiment's file over transcripts and error rates to an export that gives text."""

import json

import pytest
import soundfile
import torch
from tiny_runs import composed

import signaltok
from signaltok.cli.main import main
from signaltok.text.normalise import english_prompts
from signaltok.training.config.resolve import plain
from signaltok.training.run import run

RATE = 16000
TINY = (
    "experiment=speech_characters", "encoder.width=8", "encoder.trunk.depth=1", "encoder.bins=8", "trainer=cpu",
    "trainer.max_steps=2", "trainer.log_every_n_steps=1", "callbacks.progress_bar=null", "data.batch_size=2",
    "data.eval_batch_size=2", "data.split=all", "task_name=test", "run.checkpoint=best",
)  # fmt: skip


@pytest.fixture
def speech(tmp_path):
    folder = tmp_path / "speech"
    folder.mkdir()
    for number, seconds in enumerate((1.0, 0.5, 0.7)):
        values = torch.rand(round(seconds * RATE), generator=torch.Generator().manual_seed(number)) - 0.5
        soundfile.write(folder / f"{number}.wav", values.numpy(), RATE)
    (folder / "transcripts.tsv").write_text("0.wav\tHello.\n1.wav\tYes\n2.wav\t[noise] two 2\n")
    return folder


def places(tmp_path):
    return (
        f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}", "paths.root_dir=.",
        f"data.root={tmp_path / 'speech'}",
    )  # fmt: skip


def tiny(tmp_path, *overrides):
    return plain(composed(*TINY, *places(tmp_path), *overrides))


def test_a_run_measures_errors_and_its_export_gives_text(speech, tmp_path):
    figures = run(tiny(tmp_path), command=["test"], overrides=[])
    assert {"test/cer_english_prompts", "val/wer_english_prompts", "test/bitrate", "train/ctc"} <= figures.keys()
    protocols = json.loads((tmp_path / "run" / "protocols.json").read_text())
    assert "over 15 characters, normaliser english_prompts, 3 items" in protocols["test/cer_english_prompts"]
    assert (tmp_path / "run" / "report.html").is_file() and not list((tmp_path / "run" / "samples").glob("*.flac"))
    lines = (tmp_path / "run" / "samples" / "texts.tsv").read_text().splitlines()
    assert [line.split("\t")[1] for line in lines] == ["said", "hello", "yes", "two two"]
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "out")]) == 0
    tokenizer = signaltok.load(tmp_path / "out")
    read = {line.split("\t")[0]: line.split("\t")[2] for line in lines[1:]}
    for name in ("0.wav", "1.wav", "2.wav"):
        sound = signaltok.read_audio(speech / name)[None]
        stack = tokenizer.encode(sound)
        (codes,), (spans,) = stack.levels, stack.spans
        assert [english_prompts(text) for text in tokenizer.text(stack)] == [read[name]]
        assert spans is not None and spans.shape == (*codes.shape, 2)
        assert (spans[..., 0] < spans[..., 1]).all() and spans.max() <= sound.shape[-1] + 640


def test_units_are_clusters_of_a_tower_s_features_and_their_items_are_written_down(speech, tmp_path):
    plain_ones = [word for word in TINY if not word.startswith(("experiment=", "encoder.width="))]
    units = (
        "experiment=speech_units", *plain_ones, "encoder.latent_dim=8", "objective.terms.tower.encoder.trunk.depth=2",
        "quantizer.codebook_size=4", "trainer.max_steps=4", "callbacks.model_checkpoint.every_n_train_steps=2",
    )  # fmt: skip
    figures = run(plain(composed(*units, *places(tmp_path))), command=["test"], overrides=[])
    assert figures["train/tower"] == 0 and {"test/perplexity", "test/bitrate"} <= figures.keys()
    rows = (tmp_path / "run" / "items.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows] == ["2", "3"]
    assert all(key.split("#")[0] in ("0.wav", "1.wav", "2.wav") for row in rows for key in row.split("\t")[1:])
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "out")]) == 0
    tokenizer = signaltok.load(tmp_path / "out")
    stack = tokenizer.encode(signaltok.read_audio(speech / "0.wav")[None])
    assert stack.levels[0].shape == (1, 25) and int(stack.levels[0].max()) < 4
    with pytest.raises(ValueError, match="this tokenizer only encodes"):
        tokenizer.decode(stack)


MASKED = {
    "speech_wav2vec": (
        "encoder.width=8",
        "encoder.latent_dim=6",
        "quantizer.codebook_size=8",
        "quantizer.codebook_dim=4",
    ),
    "speech_bestrq": ("encoder.latent_dim=32", "quantizer.codebook_size=8", "quantizer.codebook_dim=4"),
}


@pytest.mark.parametrize("name", MASKED)
def test_codes_that_are_found_from_context_are_those_of_whole_sounds(name, speech, tmp_path):
    plain_ones = [word for word in TINY if not word.startswith(("experiment=", "encoder.width=", "encoder.trunk"))]
    term = "masked_nce" if name == "speech_wav2vec" else "masked_code"
    small = ("quantizer.codebook_size=8", "quantizer.codebook_dim=4", f"objective.terms.{term}.context.width=8")
    tiny_ones = (*plain_ones, *MASKED[name], *small)
    settings = plain(composed(f"experiment={name}", *tiny_ones, *places(tmp_path)))
    figures = run(settings, command=["test"], overrides=[])
    assert figures[f"train/{term}"] > 0 and {"test/perplexity", "test/bitrate"} <= figures.keys()
    assert main(["export", str(tmp_path / "run"), str(tmp_path / "out")]) == 0
    tokenizer = signaltok.load(tmp_path / "out")
    stack = tokenizer.encode(signaltok.read_audio(speech / "0.wav")[None])
    assert [level.shape for level in stack.levels] == [(1, 25)] * (2 if name == "speech_wav2vec" else 1)
    assert not [key for key in tokenizer.state_dict() if "context" in key]  # the term's network is not exported


def test_an_item_that_cannot_be_learned_ends_the_run_before_its_first_step(speech, tmp_path):
    (speech / "transcripts.tsv").write_text("0.wav\tfar too many words for it\n1.wav\tcafé\n2.wav\ttwo\n")
    with pytest.raises(
        ValueError, match=r"2 items of train .*0\.wav: 25 tokens need 26 cells, it has 23; 1\.wav: .*'é'"
    ):
        run(tiny(tmp_path), command=["test"], overrides=[])
    assert not (tmp_path / "run" / "checkpoints").exists()
