"""signaltok tokenize, detokenize, export and inspect on sounds."""

import numpy as np
import pytest
import soundfile
import torch

import signaltok
from signaltok.cli.main import main
from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.store.index import read_store
from signaltok.tokenizer import Tokenizer

RATE = 8000


@pytest.fixture
def exported(tmp_path):
    torch.manual_seed(0)
    shape = {"axes": 1, "channels": 1, "stride": 8, "widths": [8, 8], "depth": 1, "latent_dim": 4}
    tokenizer = Tokenizer(
        encoder=ConvEncoder(**shape),
        quantizer=FiniteScalarQuantizer(latent_dim=4, levels=[5, 5], estimator=StraightThrough()),
        decoder=ConvDecoder(**shape),
        value_range=(-1.0, 1.0),
        block=4096,
        sample_rate=RATE,
    ).eval()
    return tokenizer.save(tmp_path / "tokenizer")


@pytest.fixture
def folder(tmp_path):
    root, time = tmp_path / "sounds", np.arange(20000) / RATE
    (root / "sub").mkdir(parents=True)
    soundfile.write(root / "a.wav", 0.5 * np.sin(900 * time[:12345]), RATE)
    soundfile.write(root / "sub" / "b.flac", np.stack([0.4 * np.sin(700 * time), 0 * time], 1), RATE)
    soundfile.write(root / "sub" / "c.ogg", 0.3 * np.sin(500 * time[:9000]), 16000)
    (root / "bad.mp3").write_bytes(b"no sound")
    return root


def test_codes_are_those_of_encode_and_files_come_back_as_sound(exported, folder, tmp_path, capsys):
    assert main(["tokenize", str(exported), str(folder), "--out", str(tmp_path / "tokens")]) == 0
    told = capsys.readouterr()
    assert "3 sounds" in told.out and "could not read bad.mp3" in told.err
    tokenizer = signaltok.load(exported)
    assert tokenizer.sample_rate == RATE
    sizes = {"a.wav": 12345, "sub/b.flac": 20000, "sub/c.ogg": 4500}
    items = {item.key: item for item in read_store(tmp_path / "tokens")}
    assert {key: item.signal_size for key, item in items.items()} == {key: (size,) for key, size in sizes.items()}
    assert main(["detokenize", str(exported), str(tmp_path / "tokens"), "--out", str(tmp_path / "back")]) == 0
    for key, size in sizes.items():
        signal = signaltok.read_audio(folder / key, sample_rate=RATE, channels=1)
        stack = tokenizer.encode(signal[None])
        np.testing.assert_array_equal(items[key].levels[0], stack.levels[0][0].numpy())
        back, rate = soundfile.read((tmp_path / "back" / key).with_suffix(".wav"), dtype="float32")
        assert rate == RATE and len(back) == size
        assert np.abs(back - tokenizer.decode(stack)[0, 0].clamp(-1, 1).numpy()).max() <= 1 / 32768 + 1e-6


def test_the_card_and_inspect_say_the_rate(exported, capsys):
    card = (exported / "README.md").read_text()
    assert f"signaltok.read_audio(FILE, sample_rate={RATE}, channels=1)" in card and "bits a second" in card
    assert main(["inspect", str(exported)]) == 0
    assert "bits per second" in (told := capsys.readouterr().out) and "4643.8562" in told


def test_a_folder_of_pictures_holds_no_sounds(exported, photos, tmp_path, capsys):
    assert main(["tokenize", str(exported), str(photos), "--out", str(tmp_path / "tokens")]) == 1
    assert "holds no sounds; expected files ending in" in capsys.readouterr().err


def test_audio_without_a_rate_is_refused(exported, folder, tmp_path, capsys):
    text = (exported / "config.json").read_text().replace(f'"sample_rate": {RATE},', "", 1)
    (exported / "config.json").write_text(text)
    assert main(["tokenize", str(exported), str(folder), "--out", str(tmp_path / "tokens")]) == 1
    assert "a tokenizer for audio without a sample rate" in capsys.readouterr().err
