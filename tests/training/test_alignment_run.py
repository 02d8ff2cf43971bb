"""Pictures beside texts through a whole run: trained, evaluated again from the run's folder, exported."""

import json

import pytest
import torch
from tiny_runs import ROOT, composed

import signaltok
from signaltok.data.emoji_data import EmojiData
from signaltok.objectives.align import Align
from signaltok.training.evaluation_run import evaluate_run
from signaltok.training.run import train
from signaltok.training.start import read_alignment, read_tokenizer

SMALL = (
    "experiment=clip_codes", "encoder=pooled", "encoder.features.widths=[8,8,8]", "encoder.features.depth=1",
    "encoder.latent_dim=8", "encoder.features.latent_dim=8", "quantizer.level.codebook_size=4",
    "objective.terms.align.tower.width=8", "objective.terms.align.tower.buckets=64", "trainer=cpu", "data.size=16",
    "data.batch_size=4", "data.eval_batch_size=8", "run.limit_eval_batches=2", "trainer.max_steps=2",
    "trainer.val_check_interval=2", "callbacks.progress_bar=null", "task_name=test", f"paths.root_dir={ROOT}",
)  # fmt: skip


def test_a_run_is_evaluated_again_from_its_folder_and_exported(tmp_path):
    overrides = [*SMALL, f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}"]
    train(composed(*overrides), command=["test"], overrides=list(SMALL))
    figures = json.loads((tmp_path / "run/summary.json").read_text())
    names = [
        f"test/recall_at_{rank}_{way}_{tap}"
        for rank in (1, 5, 10) for way in ("image_to_text", "text_to_image") for tap in ("pre", "adc", "post", "codes")
    ]  # fmt: skip
    names += ["test/zero_shot", *(f"test/probe_{tap}" for tap in ("encoder", "z_q", "code_embedding", "code_bag"))]
    assert set(names) < figures.keys() and not {name for name in figures if "psnr" in name}
    protocols = json.loads((tmp_path / "run/protocols.json").read_text())
    assert set(names) <= protocols.keys()
    assert "among 16 of the split" in protocols["test/recall_at_10_image_to_text_codes"]
    assert (tmp_path / "run/samples/nearest.png").is_file() and (tmp_path / "run/report.html").is_file()
    # The towers come out of the checkpoint as they went in, and give the figures of the run again.
    config = composed(
        f"run.path={tmp_path / 'run'}", "run.checkpoint=last", f"paths.output_dir={tmp_path / 'eval'}",
        "run.limit_eval_batches=2", "run.report=false", f"paths.root_dir={ROOT}", name="eval",
    )  # fmt: skip
    again = evaluate_run(config, command=["test"], overrides=[])
    assert all(again[name] == pytest.approx(figures[name], abs=1e-9) for name in names)
    assert isinstance(read_alignment(tmp_path / "run", "last"), Align)
    # What is exported has no tower, encodes, and says that it cannot be asked for texts.
    tokenizer = read_tokenizer(tmp_path / "run", "last")
    tokenizer.save(tmp_path / "tokenizer")
    loaded = signaltok.load(tmp_path / "tokenizer")
    signal = torch.rand(2, 3, 16, 16) * 2 - 1
    codes = loaded.encode(signal)
    assert len(codes.levels) == 8 and all(
        torch.equal(a, b) for a, b in zip(codes.levels, tokenizer.encode(signal).levels, strict=True)
    )
    assert not [name for name in loaded.state_dict() if "tower" in name or "contrast" in name]
    config = composed(
        f"run.path={tmp_path / 'tokenizer'}", "data=emoji", "metrics=retrieval", f"paths.root_dir={ROOT}",
        f"paths.output_dir={tmp_path / 'other'}", "run.report=false", name="eval",
    )  # fmt: skip
    with pytest.raises(ValueError, match="need the text tower of a run with an align term"):
        evaluate_run(config, command=["test"], overrides=["data=emoji", "metrics=retrieval"])


def test_data_without_text_are_refused_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(EmojiData, "optional_fields", lambda self: frozenset({"labels"}))
    overrides = [*SMALL, f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}"]
    with pytest.raises(ValueError, match=r"objective\.terms\.align needs text with each item"):
        train(composed(*overrides), command=["test"], overrides=list(SMALL))
    assert not (tmp_path / "run").exists()
