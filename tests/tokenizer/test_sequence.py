"""Tokenizers whose tokens are a sequence: any size, prefixes, dropped tails, disk and reports."""

import math

import numpy as np
import pytest
import torch

import signaltok
from signaltok.artifact.card import card_text
from signaltok.artifact.read import read_config
from signaltok.cli.stored import to_stack
from signaltok.data.read_image import read_image
from signaltok.decoders.query import QueryDecoder
from signaltok.decoders.vit import ViTDecoder
from signaltok.encoders.query import QueryEncoder
from signaltok.encoders.vit import ViTEncoder
from signaltok.layers.tail import TailDrop
from signaltok.metrics.distortion import PeakSignalToNoiseRatio
from signaltok.metrics.evaluation import evaluate
from signaltok.parts import Encoder
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import DataSample
from signaltok.quantizers.codebook.update import ExponentialMovingAverage
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.reports.pictures import token_maps
from signaltok.store.index import fill_store, read_store
from signaltok.store.plan import Header, Item
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch

SIZES = {"axes": 2, "channels": 3, "stride": 4, "width": 16, "depth": 1, "heads": 2, "latent_dim": 4}
TOKENS = 8
TAIL = {"least": 1, "lengths": "uniform"}


def lattice(dim: int, levels: list[int]) -> FiniteScalarQuantizer:
    return FiniteScalarQuantizer(latent_dim=dim, levels=levels, estimator=StraightThrough())


def tokenizer(quantizer=None, tail=None) -> Tokenizer:
    torch.manual_seed(0)
    return Tokenizer(
        encoder=QueryEncoder(**SIZES, tokens=TOKENS, tail_drop=None if tail is None else TailDrop(**tail)),
        quantizer=quantizer or lattice(4, [5, 5, 5, 5]),
        decoder=QueryDecoder(**SIZES, tokens=TOKENS),
        value_range=(-1.0, 1.0),
        block=64,
        sample_rate=None,
    ).eval()


def vector_quantizer() -> VectorQuantizer:
    return VectorQuantizer(
        latent_dim=4,
        codebook_size=16,
        codebook_dim=4,
        metric="euclidean",
        update=ExponentialMovingAverage(decay=0.9, epsilon=1e-5),
        estimator=StraightThrough(),
        initialization=DataSample(),
        revival=None,
    )


@pytest.fixture
def picture(photos):
    return read_image(photos / "badlands0.jpg")[None, :, 60:97, 40:69].clone()


def test_every_size_has_the_same_number_of_tokens_and_comes_back_at_its_own(picture):
    model = tokenizer()
    for height, width in ((37, 29), (1, 1), (4, 28)):
        stack = model.encode(picture[:, :, :height, :width])
        assert stack.levels[0].shape == (1, TOKENS) and stack.tokens == TOKENS and stack.strides == ((1,),)
        assert model.decode(stack).shape == (1, 3, height, width)
    assert model.embed(picture).shape == (1, TOKENS, 4)


def test_a_padded_batch_gives_each_item_its_own_codes(picture):
    model = tokenizer()
    batch = torch.cat([picture, torch.randn_like(picture).clamp(-1, 1)])
    batch[1, :, :20, :13] = picture[0, :, :20, :13]
    lengths = torch.tensor([[37, 29], [20, 13]])
    stack = model.encode(batch, lengths)
    alone = model.encode(picture[:, :, :20, :13])
    assert torch.equal(stack.levels[0][1:], alone.levels[0]) and stack.lengths == (None,)
    decoded = model.decode(stack)
    assert torch.equal(decoded[1:, :, :20, :13], model.decode(alone))
    assert not decoded[1, :, 20:].any() and not decoded[1, :, :, 13:].any()


@pytest.mark.parametrize("tokens", [1, 5, TOKENS])
def test_a_prefix_decodes_and_forward_says_the_same_to_the_bit(picture, tokens):
    model = tokenizer()
    stack = model.encode(picture).shortened(tokens)
    assert stack.levels[0].shape == (1, tokens)
    with torch.no_grad():
        result = model(picture, None, tokens)
    assert torch.equal(result.signal, model.decode(stack))
    assert torch.equal(result.quantized.codes[0], stack.levels[0])
    assert torch.equal(stack.levels[0], model.encode(picture).levels[0][:, :tokens])


def test_continuous_tokens_shorten_too(picture):
    model = tokenizer(IdentityQuantizer(latent_dim=4))
    with torch.no_grad():
        assert model(picture, None, 3).quantized.z_q.shape == (1, 4, 3)


def test_what_cannot_be_shortened_says_so(picture):
    model = tokenizer()
    stack = model.encode(picture)
    for tokens in (0, TOKENS + 1):
        with pytest.raises(ValueError, match=f"there are {TOKENS} tokens; give 1 to {TOKENS}, not {tokens}"):
            stack.shortened(tokens)
        with pytest.raises(ValueError, match=f"give 1 to {TOKENS}"), torch.no_grad():
            model(picture, None, tokens)
    with pytest.raises(ValueError, match="whole signal"):
        model.encode(picture, chunk=8)
    grid = Tokenizer(
        encoder=ViTEncoder(**SIZES),
        quantizer=lattice(4, [5, 5, 5, 5]),
        decoder=ViTDecoder(**SIZES),
        value_range=(-1.0, 1.0),
        block=64,
        sample_rate=None,
    ).eval()
    with pytest.raises(ValueError, match=r"cannot be shortened.*encoder=query"):
        grid.encode(picture).shortened(2)
    with pytest.raises(ValueError, match="grid that follows"), torch.no_grad():
        grid(picture, None, 2)
    with pytest.raises(ValueError, match="another tokenizer"):
        grid.decode(stack)


def test_a_grid_and_a_sequence_do_not_go_together():
    with pytest.raises(ValueError, match="tokens is 8 and None"):
        Tokenizer(
            encoder=QueryEncoder(**SIZES, tokens=TOKENS, tail_drop=None),
            quantizer=IdentityQuantizer(latent_dim=4),
            decoder=ViTDecoder(**SIZES),
            value_range=(-1.0, 1.0),
            block=64,
            sample_rate=None,
        )


def test_training_on_dropped_tails_is_inference_on_prefixes(picture):
    model = tokenizer(tail=TAIL).train()
    batch = picture.expand(6, -1, -1, -1)
    result = model(batch)
    kept = result.mask[:, 0].sum(1)
    assert len(kept.unique()) > 1
    assert torch.equal(result.mask[:, 0], torch.arange(TOKENS) < kept[:, None])
    model.eval()
    for item, tokens in enumerate(kept.tolist()):
        with torch.no_grad():
            alone = model(picture, None, tokens)
        torch.testing.assert_close(result.signal[item : item + 1].detach(), alone.signal, rtol=0, atol=1e-5)


def test_dropped_tokens_reach_neither_losses_nor_statistics_nor_gradients(monkeypatch, picture):
    model = tokenizer(vector_quantizer(), tail=TAIL).train()
    batch = torch.cat([picture, picture.flip(3)])
    monkeypatch.setattr(TailDrop, "kept", lambda self, items, tokens: torch.tensor([2, 3]))
    seen = []
    observe = model.quantizer._observe
    monkeypatch.setattr(
        model.quantizer, "_observe", lambda rows, codes: (seen.append(len(codes)), observe(rows, codes))
    )
    result = model(batch)
    assert seen == [5]
    latent = result.latent
    latent.retain_grad()
    (result.signal.square().mean() + result.quantized.losses["commitment"]).backward()
    used = latent.grad.abs().sum(1)
    assert (used[0, :2] > 0).all() and not used[0, 2:].any()
    assert (used[1, :3] > 0).all() and not used[1, 3:].any()


def test_nothing_is_dropped_outside_training_and_drop_is_not_exported(tmp_path, picture):
    model = tokenizer(tail=TAIL)
    before = int(model.encoder.tail_drop.draws.steps)
    stack = model.encode(picture)
    assert int(model.encoder.tail_drop.draws.steps) == before
    loaded = signaltok.load(model.save(tmp_path / "tokenizer"))
    assert torch.equal(loaded.encode(picture).levels[0], stack.levels[0])
    assert torch.equal(loaded.decode(stack.shortened(3)), model.decode(stack.shortened(3)))
    config = read_config(tmp_path / "tokenizer")
    assert config["sequence_length"] == TOKENS and config["strides"] == [[1]]
    assert f"{TOKENS * math.log2(625):.4f} bits a picture" in card_text(config, {})


def test_a_store_gives_back_sequences_and_prefixes(tmp_path, picture):
    model = tokenizer()
    header = Header.from_json(read_config(model.save(tmp_path / "tokenizer")))
    stacks = {"whole": model.encode(picture), "prefix": model.encode(picture[:, :, :20]).shortened(3)}

    def compute(key: str) -> Item:
        stack = stacks[key]
        return Item(key=key, levels=(stack.levels[0][0].numpy(),), signal_size=stack.signal_size)

    out = tmp_path / "tokens"
    fill_store(out, header, stacks, shard_items=2, device="cpu", compute=compute, advance=lambda _: None)
    store = read_store(out)
    assert store.header == header and store.tokens == (TOKENS + 3,)
    for item in store:
        assert torch.equal(model.decode(to_stack(item, store.header)), model.decode(stacks[item.key]))


def test_bits_are_those_of_the_tokens_used(picture):
    model, metrics = tokenizer(), {"psnr": PeakSignalToNoiseRatio()}
    batch = Batch(signal=picture, keys=("a",))
    for tokens, expected in ((None, TOKENS), (3, 3)):
        found = evaluate(model, [batch], metrics=metrics, tokens=tokens)
        assert found.values["tokens"] == expected
        assert found.values["bits_per_pixel"] == pytest.approx(expected * math.log2(625) / (37 * 29))
        assert token_maps(found.pictures.codes.numpy()).shape == (1, 1, expected)


def test_token_maps_are_grids_or_strips_or_nothing():
    assert token_maps(None) is None and token_maps(np.zeros(3)) is None
    assert token_maps(np.zeros((2, 4, 5))).shape == (2, 4, 5) and token_maps(np.zeros((2, 7))).shape == (2, 1, 7)


def test_the_contract_keeps_every_token_by_default():
    assert Encoder.tokens is None
    assert ViTEncoder(**SIZES).kept(torch.zeros(1, 3, 8, 8)) is None
