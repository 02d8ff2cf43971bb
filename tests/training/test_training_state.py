"""A tokenizer that is exported with what its training needs, and a run that takes it up."""

import json

import pytest
import torch
from tiny_runs import ADVERSARY

import signaltok
from signaltok.artifact.training_state import ABOUT, TENSORS
from signaltok.checkpoint import read_checkpoint
from signaltok.cli.main import main
from signaltok.training.module import TokenizerModule
from signaltok.training.run import run

STEPS = ("trainer.max_steps=8", "trainer.val_check_interval=8", "run.evaluate=false")


@pytest.fixture
def exported(tiny, tmp_path):
    """A run of eight steps, and the folder that it was exported into with its training state."""
    run(tiny(*ADVERSARY, *STEPS, folder="first"), command=["test"], overrides=[])
    out = tmp_path / "out"
    assert main(["export", str(tmp_path / "first"), str(out), "--checkpoint", "last", "--with-training-state"]) == 0
    return out


def begun(tiny, monkeypatch, *overrides, folder="second"):
    """(module's state, states of its optimizers, learning rates) as the run has them before its first step."""
    found = []

    def note(module):
        state = {name: value.clone() for name, value in module.state_dict().items()}
        states = [optimizer.state_dict() for optimizer in module.trainer.optimizers]
        copies = [
            {n: {key: value.clone() for key, value in values.items()} for n, values in each["state"].items()}
            for each in states
        ]
        found.append((state, copies, [each["param_groups"][0]["lr"] for each in states]))

    with monkeypatch.context() as patch:
        patch.setattr(TokenizerModule, "on_train_start", note)
        run(tiny(*STEPS, *overrides, folder=folder), command=["test"], overrides=[])
    return found[0]


def test_a_run_begins_with_the_discriminator_and_the_optimizers(tiny, tmp_path, monkeypatch, exported):
    assert isinstance(signaltok.load(exported).block, int), "the tokenizer alone opens as ever"
    content = read_checkpoint(tmp_path / "first/checkpoints/last.ckpt")
    options = (*ADVERSARY, f"run.init_from={exported}", "adversary.learning_rate=0.5")
    state, optimizers, rates = begun(tiny, monkeypatch, *options)
    for name, value in content["current_model_state"].items():
        if name.startswith("adversary.discriminator."):
            assert torch.equal(state[name], value), name
    for name, value in content["state_dict"].items():
        if name.startswith("tokenizer."):
            assert torch.equal(state[name], value), f"{name} is the averaged one"
    assert int(state["adversary.lecam.updates"]) == 0, "the averages of the logits begin anew"
    for found, expected in zip(optimizers, content["optimizer_states"], strict=True):
        assert found.keys() == expected["state"].keys() and len(found) > 4
        for number, values in expected["state"].items():
            assert found[number].keys() == values.keys()
            assert all(torch.equal(found[number][key], value) for key, value in values.items())
    assert rates[1] == 0.5, "rates are the new run's"


def test_a_run_without_an_adversary_takes_the_tokenizer_s_part(tiny, tmp_path, monkeypatch, exported):
    content = read_checkpoint(tmp_path / "first/checkpoints/last.ckpt")
    _, (found,), _ = begun(tiny, monkeypatch, f"run.init_from={exported}")
    assert torch.equal(found[0]["exp_avg"], content["optimizer_states"][0]["state"][0]["exp_avg"])
    _, optimizers, _ = begun(tiny, monkeypatch, *ADVERSARY, f"run.init_from={tmp_path / 'first'}", folder="third")
    assert optimizers == [{}, {}], "of a run only the weights are taken"


def test_another_discriminator_and_damaged_files_are_named(tiny, tmp_path, capsys, exported):
    def go(*overrides):
        run(tiny(*ADVERSARY, *STEPS, f"run.init_from={exported}", *overrides), command=["test"], overrides=[])

    with pytest.raises(ValueError, match=r"exported with another discriminator .*patch\.PatchDiscriminator"):
        go("adversary.discriminator.width=16")
    kept = (exported / TENSORS).read_bytes()
    (exported / TENSORS).write_bytes(kept[:-1])
    with pytest.raises(ValueError, match=r"training_state\.safetensors is missing or damaged"):
        go()
    (exported / TENSORS).write_bytes(kept)
    about = json.loads((exported / ABOUT).read_text())
    (exported / ABOUT).write_text(json.dumps(about | {"format_version": 9}))
    with pytest.raises(ValueError, match="has format version 9, this signaltok reads 1"):
        go()
    (exported / ABOUT).write_text("{}")
    with pytest.raises(ValueError, match="is damaged"):
        go()

    # And a checkpoint that has none.
    path = tmp_path / "first/checkpoints/last.ckpt"
    content = read_checkpoint(path)
    del content["discriminator_description"]
    torch.save(content, path)
    options = ["--checkpoint", "last", "--with-training-state"]
    assert main(["export", str(tmp_path / "first"), str(tmp_path / "x"), *options]) == 1
    assert "has no discriminator_description" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "first"), str(tmp_path / "x"), "--codebooks-only", *options]) == 1
    assert "--with-training-state" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
