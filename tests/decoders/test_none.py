"""The tokenizer without a decoder: it encodes, embeds, is saved and loaded, and says that it does not decode."""

import pytest
import torch

import signaltok
from signaltok.decoders.none import NoDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.encoders.pooled import PooledEncoder
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.tokenizer import Tokenizer


def features() -> ConvEncoder:
    return ConvEncoder(axes=2, channels=3, stride=8, widths=[8], depth=1, latent_dim=8)


def encoder(**changes) -> PooledEncoder:
    arguments = {"axes": 2, "features": features(), "latent_dim": 3, "tokens": 1, "spherical": True}
    return PooledEncoder(**(arguments | changes))


def tokenizer() -> Tokenizer:
    return Tokenizer(
        encoder=encoder(),
        quantizer=FiniteScalarQuantizer(latent_dim=3, levels=[5, 5, 5], estimator=StraightThrough()),
        decoder=NoDecoder(axes=2, channels=3, stride=8, latent_dim=3, tokens=1),
        value_range=[-1.0, 1.0],
        block=64,
        sample_rate=None,
    )


def test_it_encodes_and_embeds_after_an_export_and_does_not_decode(tmp_path):
    model, signal = tokenizer().eval(), torch.rand(3, 3, 19, 24) * 2 - 1
    loaded = signaltok.load(model.save(tmp_path / "out"))
    stack = loaded.encode(signal)
    assert torch.equal(stack.levels[0], model.encode(signal).levels[0]) and stack.levels[0].shape == (3, 1)
    embedded = loaded.embed(signal)
    assert embedded.shape == (3, 1, 3)
    assert embedded.square().mean(2).flatten().tolist() == pytest.approx([1.0] * 3, rel=1e-4)
    with pytest.raises(ValueError, match="this tokenizer only encodes: it was trained without a decoder"):
        loaded.decode(stack)
    assert not [name for name, _ in model.decoder.named_parameters()]
    assert model(signal).signal.shape == signal.shape


def test_a_grid_too():
    decoder = NoDecoder(axes=2, channels=3, stride=8, latent_dim=3, tokens=None)
    assert decoder(torch.ones(2, 3, 4, 5), None).shape == (2, 3, 32, 40)
    assert not decoder(torch.ones(2, 3, 4, 5), None).any()


def test_pooling_begins_near_the_mean_and_needs_a_grid():
    pooled = encoder(spherical=False)
    torch.nn.init.zeros_(pooled.logits.weight)
    signal = torch.rand(2, 3, 16, 24)
    grid = pooled.features(signal, None)
    torch.testing.assert_close(
        pooled(signal, None)[:, :, 0], pooled.project(grid.flatten(2).mean(2)[:, :, None])[:, :, 0]
    )
    with pytest.raises(ValueError, match=r"encoder\.features is a PooledEncoder, which gives tokens already"):
        PooledEncoder(axes=2, features=encoder(), latent_dim=3, tokens=1, spherical=True)
    with pytest.raises(ValueError, match=r"encoder\.axes is 1, but encoder\.features has 2 axes;"):
        encoder(axes=1)
    with pytest.raises(ValueError, match="tokens must be at least 1"):
        encoder(tokens=0)
