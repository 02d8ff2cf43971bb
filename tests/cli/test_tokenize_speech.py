"""signaltok tokenize, inspect and detokenize with a tokenizer that gives text: ids, text and spans."""

import json

import numpy as np
import pytest
import soundfile
import torch

import signaltok
from signaltok.cli.main import main
from signaltok.decoders.text import TextDecoder
from signaltok.encoders.speech import SpeechEncoder
from signaltok.layers.residual_convolutions import ResidualConvolutions
from signaltok.quantizers.ctc import CtcQuantizer
from signaltok.store.index import read_store
from signaltok.streams.stream import stream_of
from signaltok.text.spelling import CharacterSpelling
from signaltok.tokenizer import Tokenizer

RATE = 8000


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """An exported tokenizer, sounds and their tokens."""
    root = tmp_path_factory.mktemp("speech")
    torch.manual_seed(0)
    tokenizer = Tokenizer(
        encoder=SpeechEncoder(
            axes=1, channels=1, sample_rate=RATE, size=64, transform=64, hop=32, bins=8, floor=1e-6, momentum=0.1,
            width=8, latent_dim=4, augmentation=None,
            trunk=ResidualConvolutions(
                inputs=8, width=8, strides=[2], stem_kernel=3, depth=1, kernel=3, momentum=0.1
            ),
        ),
        quantizer=CtcQuantizer(latent_dim=4),
        decoder=TextDecoder(
            axes=1, channels=1, stride=64, latent_dim=4, spelling=CharacterSpelling(symbols="ab ")
        ),
        value_range=(-1.0, 1.0),
        block=1280,
        sample_rate=RATE,
    )  # fmt: skip
    noise = np.random.default_rng(0)
    tokenizer.train()(torch.from_numpy(noise.uniform(-0.5, 0.5, (2, 1, 4000)).astype(np.float32)))
    (root / "sounds").mkdir()
    for number, size in enumerate((4000, 2345, 30)):
        soundfile.write(root / "sounds" / f"{number}.wav", noise.uniform(-0.5, 0.5, size), RATE)
    tokenizer.eval().save(root / "tokenizer")
    command = ["tokenize", str(root / "tokenizer"), str(root / "sounds"), "--out", str(root / "tokens")]
    assert main(command) == 0
    return root


def test_ids_spans_and_text_are_those_of_encode(stored):
    tokenizer = signaltok.load(stored / "tokenizer")
    lines = [json.loads(line) for line in (stored / "tokens" / "spoken.jsonl").read_text().splitlines()]
    items = list(read_store(stored / "tokens"))
    assert [item.key for item in items] == [line["key"] for line in lines] == ["0.wav", "1.wav", "2.wav"]
    for item, line in zip(items, lines, strict=True):
        stack = tokenizer.encode(signaltok.read_audio(stored / "sounds" / item.key)[None])
        np.testing.assert_array_equal(item.levels[0], stack.levels[0][0].numpy())
        np.testing.assert_array_equal(item.spans, stack.spans[0][0].numpy())
        assert line["text"] == tokenizer.text(stack)[0]
        assert [token[0] for token in line["tokens"]] == item.levels[0].tolist()
        assert "".join(token[1] for token in line["tokens"]).split() == line["text"].split()
        np.testing.assert_allclose([token[2:] for token in line["tokens"]], item.spans / RATE, atol=1e-6)
    assert len(items[0].levels[0]) > 3


def test_inspect_says_how_much_is_said_and_where_it_stands(stored, capsys):
    assert main(["inspect", str(stored / "tokens"), "--verify"]) == 0
    told = capsys.readouterr().out
    assert "tokens a second" in told and "spoken.jsonl" in told.replace("\n", "") and "bits per token" in told
    assert main(["inspect", str(stored / "tokenizer")]) == 0
    assert "CtcQuantizer" in capsys.readouterr().out


def test_detokenize_says_that_there_is_no_waveform(stored, tmp_path, capsys):
    command = ["detokenize", str(stored / "tokenizer"), str(stored / "tokens"), "--out", str(tmp_path / "back")]
    assert main(command) == 1
    assert "gives text and has no waveform" in capsys.readouterr().err and not (tmp_path / "back").exists()


def test_a_stream_says_how_many_tokens_there_are(stored, tmp_path):
    header = read_store(stored / "tokens").header
    assert header.runs and stream_of(header.to_json()).grids == "explicit"
    command = ["stream", str(stored / "tokens"), "--out", str(tmp_path / "ids"), "--format", "nanogpt"]
    assert main(command) == 0
