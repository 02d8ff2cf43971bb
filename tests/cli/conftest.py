"""A tiny tokenizer, a run that looks like one of the training room's, and a folder of pictures."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from signaltok.artifact.describe import describe
from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer


def build_tokenizer(*, seed: int = 0, codes: bool = True) -> Tokenizer:
    torch.manual_seed(seed)
    shape = {"axes": 2, "channels": 3, "stride": 4, "widths": [8, 8], "depth": 1, "latent_dim": 4}
    return Tokenizer(
        encoder=ConvEncoder(**shape),
        quantizer=(
            FiniteScalarQuantizer(latent_dim=4, levels=[5, 5], estimator=StraightThrough())
            if codes
            else IdentityQuantizer(latent_dim=4)
        ),
        decoder=ConvDecoder(**shape),
        value_range=(-1.0, 1.0),
        block=64,
        sample_rate=None,
    ).eval()


def write_run(folder, *, seed: int = 0, codes: bool = True):
    """The files of a run folder that the command reads; best holds weights of `seed`, last of `seed + 1`."""
    (folder / "checkpoints").mkdir(parents=True)
    for number, name in enumerate(("best", "last")):
        tokenizer = build_tokenizer(seed=seed + number, codes=codes)
        state = {f"tokenizer.{key}": value for key, value in tokenizer.state_dict().items()}
        state["objective.unrelated"] = torch.zeros(3)
        content = {"tokenizer_description": describe(tokenizer), "state_dict": state}
        torch.save(content, folder / "checkpoints" / f"{name}.ckpt")
    if codes:
        save_file({"counts.0": torch.arange(25)}, folder / "code_counts.safetensors")
    (folder / "samples").mkdir()
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=generator)
    tensors = {"originals": pictures, "reconstructions": 255 - pictures, "other": torch.zeros(1)}
    save_file(tensors, folder / "samples" / "samples.safetensors")
    (folder / "summary.json").write_text(json.dumps({"test/psnr": 21.25, "test/usage": 0.5}))
    (folder / "provenance.json").write_text(json.dumps({"command": "python train.py experiment=tiny"}))
    return folder


@pytest.fixture
def make_tokenizer():
    return build_tokenizer


@pytest.fixture
def make_run():
    return write_run


@pytest.fixture
def run_folder(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture
def exported(tmp_path):
    return build_tokenizer().save(tmp_path / "exported")


@pytest.fixture
def pictures(tmp_path):
    """Four readable pictures of different sizes in nested folders, two of them with one stem."""
    root = tmp_path / "pictures"
    generator = np.random.default_rng(0)
    for name, size in {"a.png": (20, 33), "sub/b.png": (7, 5), "sub/c.png": (64, 70), "sub/c.bmp": (8, 8)}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    (root / "notes.txt").write_text("not a picture")
    return root
