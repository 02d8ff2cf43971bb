"""An exported folder loads to the same codes, and a damaged one says so in one line."""

import json

import pytest
import torch
from safetensors.torch import load_file

import signaltok
from signaltok.artifact.describe import build, describe
from signaltok.artifact.read import fill
from signaltok.artifact.write import write_tokenizer
from signaltok.checkpoint import read_checkpoint
from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.tokenizer import Tokenizer


def lattice(dim: int, levels: list[int]) -> FiniteScalarQuantizer:
    return FiniteScalarQuantizer(latent_dim=dim, levels=levels, estimator=StraightThrough())


def tiny() -> Tokenizer:
    torch.manual_seed(0)
    return Tokenizer(
        encoder=ConvEncoder(axes=2, channels=3, stride=4, widths=[8, 8], depth=1, latent_dim=4),
        quantizer=lattice(4, [5, 5]),
        decoder=ConvDecoder(axes=2, channels=3, stride=4, widths=[8, 8], depth=1, latent_dim=4),
        value_range=(-1.0, 1.0),
        block=64,
        sample_rate=None,
    ).eval()


@pytest.fixture
def folder(tmp_path):
    counts = (torch.arange(25),)
    samples = {"00_originals.png": b"one", "01_originals.png": b"two"}
    return write_tokenizer(
        tiny(),
        tmp_path / "tokenizer",
        card={"metrics": {"test/psnr": 20.5}, "command": "x"},
        counts=counts,
        samples=samples,
    )


def test_description_survives_json_and_builds_the_same_part():
    tokenizer = tiny()
    description = json.loads(json.dumps(describe(tokenizer)))
    rebuilt = build(description)
    assert describe(rebuilt) == description
    rebuilt.load_state_dict(tokenizer.state_dict())
    signal = torch.rand(1, 3, 30, 21) * 2 - 1
    assert torch.equal(rebuilt.eval().encode(signal).levels[0], tokenizer.encode(signal).levels[0])


def test_state_that_only_training_reads_is_not_exported_and_may_be_missing(tmp_path):
    level = lattice(4, [3, 3, 3, 3])
    tokenizer = tiny()
    tokenizer = Tokenizer(
        encoder=tokenizer.encoder,
        quantizer=ResidualQuantizer(
            latent_dim=4,
            num_codebooks=2,
            level=level,
            shared=False,
            rescale=1.0,
            dropout=0.5,
            choices=None,
            orthogonal=False,
        ),
        decoder=tokenizer.decoder,
        value_range=(-1.0, 1.0),
        block=64,
        sample_rate=None,
    ).eval()
    state = tokenizer.state_dict()
    assert {"quantizer.draws.seed", "quantizer.draws.steps"} <= state.keys()
    exported = tokenizer.save(tmp_path / "tokenizer")
    assert load_file(exported / "model.safetensors").keys() == {name for name in state if "draws" not in name}
    loaded, signal = signaltok.load(exported), torch.rand(1, 3, 20, 28) * 2 - 1
    for one, other in zip(loaded.encode(signal).levels, tokenizer.encode(signal).levels, strict=True):
        assert torch.equal(one, other)
    kept = torch.tensor(7)
    loaded.quantizer.draws.steps.copy_(kept)
    fill(loaded, {name: value for name, value in state.items() if "draws" not in name}, tmp_path)
    assert loaded.quantizer.draws.steps == kept
    with pytest.raises(ValueError, match="no encoder"):
        fill(loaded, {name: value for name, value in state.items() if "encoder" not in name}, tmp_path)


def test_loaded_tokenizer_gives_the_same_codes_and_pixels(folder):
    tokenizer, loaded = tiny(), signaltok.load(folder)
    signal = torch.rand(2, 3, 37, 80) * 2 - 1
    stack, again = tokenizer.encode(signal), loaded.encode(signal)
    assert torch.equal(stack.levels[0], again.levels[0])
    assert torch.equal(tokenizer.decode(stack), loaded.decode(again))
    assert not loaded.training


def test_saving_twice_gives_one_fingerprint(folder, tmp_path):
    second = tiny().save(tmp_path / "second")
    prints = [json.loads((f / "config.json").read_text())["fingerprint"] for f in (folder, second)]
    assert prints[0] == prints[1]


def test_the_folder_holds_what_the_design_names(folder):
    names = sorted(p.name for p in folder.iterdir())
    assert names == ["README.md", "codebooks.safetensors", "config.json", "model.safetensors", "samples", "vocab.json"]
    vocabulary = json.loads((folder / "vocab.json").read_text())
    assert vocabulary["blocks"][3] == {"name": "image/0", "offset": 576, "size": 25}
    assert vocabulary["padded_size"] % 128 == 0
    assert "20.5" in (folder / "README.md").read_text()
    assert len(list((folder / "samples").iterdir())) == 2


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"has no {name}"):
        signaltok.load(folder)


def test_a_flipped_byte_is_found(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        signaltok.load(folder)


def test_a_truncated_config_is_found(folder):
    path = folder / "config.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        signaltok.load(folder)


def change(folder, edit) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    edit(config)
    path.write_text(json.dumps(config))


def test_foreign_code_is_never_built(folder):
    change(folder, lambda c: c["tokenizer"].update({"class": "os.system"}))
    with pytest.raises(ValueError, match=r"'os.system' is not a part of signaltok"):
        signaltok.load(folder)
    change(folder, lambda c: c["tokenizer"].update({"class": "signaltok.files.atomic_file"}))
    with pytest.raises(ValueError, match="has no part"):
        signaltok.load(folder)


def test_an_unknown_argument_is_named(folder):
    change(folder, lambda c: c["tokenizer"]["arguments"].update({"blok": 3}))
    with pytest.raises(ValueError, match="blok"):
        signaltok.load(folder)


def test_a_codebook_of_the_wrong_shape_is_named(folder):
    def edit(config):
        config["tokenizer"]["arguments"]["quantizer"]["arguments"]["levels"] = [5, 5, 5]

    change(folder, edit)
    with pytest.raises(ValueError, match=r"model\.safetensors does not fit .*shape"):
        signaltok.load(folder)


def test_a_newer_format_is_refused_in_words(folder):
    change(folder, lambda c: c.update(format_version=99))
    with pytest.raises(ValueError, match="format version 99"):
        signaltok.load(folder)


def test_no_folder_is_said(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        signaltok.load(tmp_path / "nowhere")


def test_a_full_folder_is_not_overwritten(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists and is not an exported tokenizer"):
        tiny().save(tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_counts_of_the_wrong_length_are_refused(tmp_path):
    with pytest.raises(ValueError, match="counts of level 0 has 3 entries"):
        write_tokenizer(tiny(), tmp_path / "t", card={}, counts=(torch.arange(3),), samples=None)
    assert not (tmp_path / "t").exists()


def test_checkpoints_are_read_as_plain_data_only(tmp_path):
    torch.save({"epoch": 1, "weights": torch.ones(2)}, tmp_path / "good.ckpt")
    assert read_checkpoint(tmp_path / "good.ckpt")["epoch"] == 1
    torch.save({"model": torch.nn.Linear(1, 1)}, tmp_path / "pickle.ckpt")
    with pytest.raises(ValueError, match="holds more than plain data"):
        read_checkpoint(tmp_path / "pickle.ckpt")
    (tmp_path / "half.ckpt").write_bytes((tmp_path / "good.ckpt").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"half\.ckpt is damaged"):
        read_checkpoint(tmp_path / "half.ckpt")
    with pytest.raises(ValueError, match="there is no checkpoint"):
        read_checkpoint(tmp_path / "none.ckpt")
