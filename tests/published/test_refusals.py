"""What cannot be imported is said in one line that names it, and nothing is written."""

import json
import shutil

import pytest
import torch
from public_models import dac_of_its_release, encodec_of_its_package, encodec_of_transformers, mimi, snac
from safetensors.torch import load_file, save_file

from signaltok.cli.main import main

PUBLIC = {
    "encodec": encodec_of_transformers,
    "th": encodec_of_its_package,
    "dac": dac_of_its_release,
    "snac": lambda: snac(4),
    "mimi": mimi,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Each model once, in its own form."""
    places = {}
    for name, make in PUBLIC.items():
        places[name] = make().save(tmp_path_factory.mktemp(name))
    return places


def refused(family, source, out, capsys):
    assert main(["import", family, str(source), str(out)]) == 1
    complaint = capsys.readouterr().err.splitlines()[-1:]
    assert complaint and complaint[0].startswith("signaltok: ")
    assert not out.exists()
    return complaint[0]


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("encodec", "norm_type", "time_group_norm"),
        ("encodec", "trim_right_ratio", 0.5),
        ("encodec", "codebook_dim", 16),
        ("encodec", "upsampling_ratios", []),
        ("encodec", "num_filters", "many"),
        ("snac", "vq_strides", [4, 2, 2]),
        ("snac", "decoder_rates", [2, 5]),
        ("snac", "latent_dim", 7),
        ("mimi", "num_key_value_heads", 1),
        ("mimi", "hidden_act", "relu"),
        ("mimi", "rope_parameters", {"rope_theta": 500.0, "rope_type": "default"}),
        ("mimi", "num_semantic_quantizers", 2),
        ("mimi", "frame_rate", 200.0),
    ],
)
def test_an_option_that_no_codec_of_ours_holds(saved, name, option, value, tmp_path, capsys):
    folder = shutil.copytree(saved[name], tmp_path / "public")
    options = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**options, option: value}))
    complaint = refused(name, folder, tmp_path / "out", capsys)
    assert complaint.startswith(f"signaltok: {option} of ")
    assert repr(value) in complaint


@pytest.mark.parametrize(("option", "value"), [("normalize", True), ("chunk_length_s", 1.0)])
def test_frames_with_their_own_loudness(saved, option, value, tmp_path, capsys):
    folder = shutil.copytree(saved["encodec"], tmp_path / "public")
    options = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**options, option: value}))
    assert "48 kHz" in refused("encodec", folder, tmp_path / "out", capsys)


def test_the_48_khz_weights_of_the_encodec_package(tmp_path, capsys):
    tensors = {"encoder.model.0.conv.conv.weight": torch.ones(1), "encoder.model.0.conv.norm.weight": torch.ones(1)}
    torch.save({**tensors, "quantizer.vq.layers.0._codebook.embed": torch.ones(2, 2)}, tmp_path / "48.th")
    assert "48 kHz" in refused("encodec", tmp_path / "48.th", tmp_path / "out", capsys)


@pytest.mark.parametrize(
    ("name", "family", "found"),
    [
        ("mimi", "encodec", "a model of mimi, not of encodec; signaltok import mimi"),
        ("encodec", "dac", "a model of encodec, not of dac"),
        ("snac", "dac", "a model of snac"),
        ("dac", "snac", "a model of dac"),
        ("th", "mimi", "a model of encodec"),
    ],
)
def test_weights_of_another_family(saved, name, family, found, tmp_path, capsys):
    assert found in refused(family, saved[name], tmp_path / "out", capsys)


def test_a_missing_and_a_surplus_tensor_and_one_of_another_shape(saved, tmp_path, capsys):
    folder = shutil.copytree(saved["mimi"], tmp_path / "public")
    tensors = load_file(folder / "model.safetensors")
    name = "decoder_transformer.layers.1.mlp.fc1.weight"
    for changed, words in (
        ({own: value for own, value in tensors.items() if own != name}, "has no tensor " + name),
        ({**tensors, "encoder.layers.99.conv.weight": torch.ones(1)}, "has not: encoder.layers.99.conv.weight"),
        ({**tensors, name: torch.ones(3, 3)}, f"{name} of"),
        ({**tensors, name: tensors[name] * float("nan")}, "not finite"),
    ):
        save_file(changed, folder / "model.safetensors")
        assert words in refused("mimi", folder, tmp_path / "out", capsys)


def test_what_is_no_model_at_all(saved, tmp_path, capsys):
    out = tmp_path / "out"
    assert "there is no" in refused("dac", tmp_path / "nowhere", out, capsys)
    (tmp_path / "empty").mkdir()
    assert "needs config.json" in refused("dac", tmp_path / "empty", out, capsys)
    torch.save({"weights": [1, 2]}, tmp_path / "list.pth")
    assert "'weights' is a list" in refused("dac", tmp_path / "list.pth", out, capsys)
    torch.save({"weight": torch.ones(1)}, tmp_path / "other.pth")
    assert "of no family" in refused("dac", tmp_path / "other.pth", out, capsys)
    (tmp_path / "broken.safetensors").write_bytes(b"\0" * 20)
    assert "cannot be read" in refused("dac", tmp_path / "broken.safetensors", out, capsys)
    alone = shutil.copy(saved["snac"] / "pytorch_model.bin", tmp_path / "alone.bin")
    assert "says nothing of the model's sizes" in refused("snac", alone, out, capsys)


@pytest.mark.parametrize("block", ["0", "-1", "nan", "inf"])
def test_a_block_of_no_length(block, saved, tmp_path, capsys):
    assert main(["import", "dac", str(saved["dac"]), str(tmp_path / "out"), "--block", block]) == 1
    assert "must be above 0 seconds" in capsys.readouterr().err


def test_an_exported_tokenizer_is_neither_imported_nor_replaced_unasked(saved, tmp_path, capsys):
    out = tmp_path / "out"
    call = ["import", "dac", str(saved["dac"]), str(out)]
    assert main(call) == 0
    assert main(call) == 1
    assert "--force" in capsys.readouterr().err
    assert main([*call, "--force"]) == 0
    assert "exported tokenizer already" in refused("dac", out, tmp_path / "again", capsys)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("x")
    assert main([*call[:3], str(tmp_path / "home"), "--force"]) == 1
    assert (tmp_path / "home" / "thesis.tex").read_text() == "x"
