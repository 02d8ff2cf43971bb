"""signaltok import: the public model and the imported tokenizer give the same codes and the same signals."""

import importlib
import json
import warnings

import pytest
import torch
from public_models import (
    Public,
    dac_of_its_release,
    dac_of_transformers,
    encodec_of_its_package,
    encodec_of_transformers,
    mimi,
    mimi_of_its_release,
    snac,
    sound,
)
from ties import widest_gap
from torch import Tensor

import signaltok
from signaltok.cli.main import main
from signaltok.tokenizer import Tokenizer

CLOSE = 1e-5
MODELS = {
    "encodec of transformers": encodec_of_transformers,
    "encodec of its package": encodec_of_its_package,
    "dac of transformers": lambda: dac_of_transformers([2, 4]),
    "dac of transformers at an odd stride": lambda: dac_of_transformers([2, 5]),
    "dac of its release": dac_of_its_release,
    "snac": lambda: snac(None),
    "snac with attention": lambda: snac(4),
    "mimi": mimi,
    "mimi of its release": mimi_of_its_release,
}


class WithoutNoise:
    """The torch of snac's layers."""

    def __getattr__(self, name):
        return torch.zeros if name == "randn" else getattr(torch, name)


@pytest.fixture(autouse=True)
def no_noise(monkeypatch):
    """snac draws noise also when it decodes; here its mean."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package scripts its Snake
        importlib.import_module("snac.layers")
    monkeypatch.setattr("snac.layers.torch", WithoutNoise())


def imported(public: Public, folder) -> Tokenizer:
    source = public.save(folder)
    assert main(["import", public.family, str(source), str(folder / "out")]) == 0
    return signaltok.load(folder / "out")


@pytest.mark.parametrize("name", MODELS)
def test_codes_and_signals_are_those_of_the_public_model(name, tmp_path):
    public = MODELS[name]()
    tokenizer = imported(public, tmp_path)
    compare(public, tokenizer, sound(public.whole * 230))  # longer than two blocks
    compare(public, tokenizer, sound(public.whole))
    if public.any_length:
        compare(public, tokenizer, sound(public.whole * 7 + 3))


@torch.no_grad()
def compare(public: Public, tokenizer: Tokenizer, signal: Tensor) -> None:
    stack, theirs = tokenizer.encode(signal), public.encode(signal)
    assert [level.shape for level in stack.levels] == [level.shape for level in theirs]
    check_codes(tokenizer, signal, stack.levels, theirs)
    decoded = tokenizer.decode(tokenizer.stack(tuple(theirs), tuple(signal.shape[2:]), None))
    expected = public.decode(theirs)
    stop = signal.shape[-1]
    if expected.shape[-1] < stop:  # transformers' DAC loses samples at odd strides: all but what looks at the end
        stop = expected.shape[-1] - tokenizer.decoder.receptive_field[0] * tokenizer.decoder.stride[0]
    assert decoded.shape == signal.shape
    # Of the signal's scale: with random weights it reaches far beyond 1, and rounding grows with it.
    bound = CLOSE * max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(decoded[..., : max(stop, 0)], expected[..., : max(stop, 0)], atol=bound, rtol=0)
    assert float(decoded.abs().max()) > 1e-3, "silence would say nothing"


def check_codes(tokenizer: Tokenizer, signal: Tensor, ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> None:
    """At least 99.9 % equal; where a position differs first, its two codes are equally near."""
    total = sum(level.numel() for level in ours)
    equal = sum(int((own == other).sum()) for own, other in zip(ours, theirs, strict=True))
    assert equal >= 0.999 * total, f"{equal} of {total} codes are equal"
    if total > 100:
        assert all(len(level.unique()) >= 4 for level in ours), "levels of a code or two would say little"
    assert widest_gap(tokenizer.quantizer, tokenizer.encoder(signal, None), ours, theirs) < CLOSE


def test_a_difference_that_is_no_tie_is_seen(tmp_path):
    """Of the comparison itself."""
    public = MODELS["dac of transformers"]()
    tokenizer, signal = imported(public, tmp_path), sound(public.whole * 20)
    with torch.no_grad():
        codes, z = tokenizer.encode(signal).levels, tokenizer.encoder(signal, None)
        other = codes[1].clone()
        other[0, 3] = (other[0, 3] + 1) % 16
        assert widest_gap(tokenizer.quantizer, z, codes, codes) == 0
        assert widest_gap(tokenizer.quantizer, z, codes, (codes[0], other, codes[2])) > CLOSE


def test_blocks_are_as_long_as_asked_for(tmp_path):
    public = encodec_of_transformers()
    source, blocks = public.save(tmp_path), {}
    for seconds in (None, 0.001, 3.0):
        out, asked = tmp_path / str(seconds), [] if seconds is None else ["--block", str(seconds)]
        assert main(["import", "encodec", str(source), str(out), *asked]) == 0
        tokenizer = signaltok.load(out)
        blocks[seconds] = tokenizer.block
        assert tokenizer.block % tokenizer.strides[0][0] == 0
    rate, (stride,) = tokenizer.sample_rate, tokenizer.encoder.stride
    assert all(rate * seconds <= blocks[name] < rate * seconds + stride for name, seconds in ((None, 1), (3.0, 3)))
    assert 0 < blocks[0.001] <= blocks[None], "never less than the layers need"
    compare(public, tokenizer, sound(public.whole * 230))


def test_importing_twice_gives_the_same_folder(tmp_path):
    public = encodec_of_transformers()
    source = public.save(tmp_path)
    for name in ("one", "two"):
        assert main(["import", "encodec", str(source), str(tmp_path / name)]) == 0
    prints = [json.loads((tmp_path / name / "config.json").read_text())["fingerprint"] for name in ("one", "two")]
    assert prints[0] == prints[1]
    card = (tmp_path / "one" / "README.md").read_text()
    assert "own licence" in card
    assert "signaltok import encodec" in card
