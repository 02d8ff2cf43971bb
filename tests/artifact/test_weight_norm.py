"""Exported weights are plain, compute the same to the bit, and fit a tokenizer that is trained with weight norm."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from quantizer_table import QUANTIZERS
from table import DECODERS, ENCODERS

import signaltok
from signaltok.artifact.read import fill
from signaltok.layers.weight_norm import folded, length, normalised
from signaltok.tokenizer import Tokenizer

NAMES = ["codec", "codec norm", "codec lstm", "codec local", "codec transformer", "spectral"]


def trained(name: str) -> tuple[Tokenizer, torch.Tensor]:
    """After a step, so that directions have lengths other than their gains."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(
        encoder=ENCODERS[name](),
        quantizer=QUANTIZERS["fsq"].build(),
        decoder=DECODERS[name](),
        value_range=(-1.0, 1.0),
        block=128,
        sample_rate=None,
    ).train()
    size = (20, 24) if tokenizer.encoder.axes == 2 else (333,)
    signal = torch.rand(2, 3, *size) * 2 - 1
    (tokenizer(signal).signal - signal).square().mean().backward()
    torch.optim.SGD(tokenizer.parameters(), 0.5).step()
    return tokenizer.eval(), signal


@pytest.mark.parametrize("name", NAMES)
def test_what_is_loaded_gives_the_same_codes_and_signals_and_is_plain(name, tmp_path):
    tokenizer, signal = trained(name)
    exported = tokenizer.save(tmp_path / "one")
    names = load_file(exported / "model.safetensors").keys()
    assert not any("weight_gain" in tensor or "draws" in tensor for tensor in names)
    loaded, stack = signaltok.load(exported), tokenizer.encode(signal)
    assert all(torch.equal(a, b) for a, b in zip(loaded.encode(signal).levels, stack.levels, strict=True))
    assert torch.equal(loaded.decode(stack), tokenizer.decode(stack))
    again = loaded.save(tmp_path / "two")
    one, two = (json.loads((folder / "config.json").read_text()) for folder in (exported, again))
    assert one["fingerprint"] == two["fingerprint"] and '"norm": "weight"' not in json.dumps(one)


def test_plain_weights_start_a_tokenizer_with_weight_norm_and_the_other_way_round(tmp_path):
    tokenizer, signal = trained("codec")
    loaded = signaltok.load(tokenizer.save(tmp_path / "one"))
    torch.manual_seed(1)
    fresh = Tokenizer(
        encoder=ENCODERS["codec"](),
        quantizer=QUANTIZERS["fsq"].build(),
        decoder=DECODERS["codec"](),
        value_range=(-1.0, 1.0),
        block=128,
        sample_rate=None,
    ).eval()
    fill(fresh, loaded.state_dict(), tmp_path)
    torch.testing.assert_close(fresh.embed(signal), tokenizer.embed(signal), rtol=0, atol=1e-5)
    fill(loaded, tokenizer.state_dict(), tmp_path)
    assert torch.equal(loaded.embed(signal), tokenizer.embed(signal))


def test_the_product_is_the_papers():
    generator = torch.Generator().manual_seed(0)
    weight, gain = torch.randn(4, 3, 5, generator=generator), torch.rand(4, 1, 1, generator=generator) + 0.5
    reference = torch.stack([gain[n] * weight[n] / weight[n].norm() for n in range(4)])
    torch.testing.assert_close(normalised(weight, gain), reference)
    torch.testing.assert_close(length(normalised(weight, gain)), gain)
    tensors = {"a.weight": weight, "a.weight_gain": gain, "b.weight": weight}
    assert folded(tensors).keys() == {"a.weight", "b.weight"} and folded(tensors)["b.weight"] is weight
