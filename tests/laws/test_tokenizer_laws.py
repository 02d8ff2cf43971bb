"""The laws over every encoder, decoder and quantizer of the table, joined to tokenizers, on a real photograph."""

import copy
import importlib
import inspect
import pkgutil
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quantizer_table import QUANTIZERS
from table import DECODERS, ENCODERS, STRIDE, TOKENS, pairs
from torch import Tensor

import signaltok.decoders
import signaltok.encoders
from signaltok.data.read_image import read_image
from signaltok.parts import Decoder, Encoder
from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import TokenStack, grid_size, valid_mask

PHOTO = Path(__file__).parents[2] / "data" / "photos" / "badlands0.jpg"
BLOCK = 128
every = pytest.mark.parametrize(("encoder", "decoder"), pairs())
coded = pytest.mark.parametrize("quantizer", [name for name in QUANTIZERS if name != "identity"])


@cache
def photo() -> Tensor:
    return read_image(PHOTO)[None]


def crop(height: int, width: int, top: int = 60, left: int = 40) -> Tensor:
    return photo()[:, :, top : top + height, left : left + width].clone()


def axes_of(encoder: str) -> int:
    return ENCODERS[encoder]().axes


def signal_of(axes: int, height: int, width: int, top: int = 60, left: int = 40) -> Tensor:
    """A crop of the photograph; over one axis 8 x height + width values from there on, row after row; over three a view
    of 12 x 10 pixels that wanders over the photograph for height frames."""
    if axes == 2:
        return crop(height, width, top, left)
    if axes == 3:
        return torch.stack([crop(12, 10, top + n % 20, left + 3 * n % 70) for n in range(height)], dim=2)
    start = top * photo().shape[3] + left
    return photo().flatten(2)[:, :, start : start + 8 * height + width].clone()


@cache
def tokenizer(encoder: str = "conv", quantizer: str = "fsq", decoder: str | None = None) -> Tokenizer:
    """In eval mode, after a step of training on photographs; the first decoder that goes with the encoder."""
    torch.manual_seed(0)
    built = Tokenizer(
        encoder=ENCODERS[encoder](),
        quantizer=QUANTIZERS[quantizer].build(),
        decoder=DECODERS[decoder or dict(reversed(pairs()))[encoder]](),
        value_range=(-1.0, 1.0),
        block=BLOCK,
        sample_rate=None,
    ).train()
    axes = built.encoder.axes
    built(torch.cat([signal_of(axes, 32, 32), signal_of(axes, 32, 32, 100, 90)]))
    return built.eval()


def assert_same(one: TokenStack, other: TokenStack) -> None:
    assert all(torch.equal(a, b) for a, b in zip(one.levels, other.levels, strict=True))


@pytest.mark.parametrize(
    ("room", "contract", "table"),
    [(signaltok.encoders, Encoder, ENCODERS), (signaltok.decoders, Decoder, DECODERS)],
)
def test_the_table_holds_every_encoder_and_decoder(room, contract, table) -> None:
    found = set()
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(value) and issubclass(value, contract) and not inspect.isabstract(value):
                found.add(value)
    # Those within others too, such as features that are pooled.
    assert found == {type(part) for build in table.values() for part in build().modules() if isinstance(part, contract)}


@every
@settings(max_examples=6, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_law_1_forward_in_eval_is_encode_then_decode_at_any_size(encoder, decoder, height: int, width: int) -> None:
    model, signal = tokenizer(encoder, "fsq", decoder), signal_of(axes_of(encoder), height, width)
    stack = model.encode(signal)
    with torch.no_grad():
        reconstruction = model(signal)
    size = tuple(signal.shape[2:])
    grid = (TOKENS,)
    if model.encoder.tokens is None:
        grid = grid_size(size, model.encoder.stride, lead=model.lead)
    assert stack.levels[0].shape == (1, *grid) and stack.tokens == model.encoder.tokens
    assert reconstruction.signal.shape == signal.shape
    assert torch.equal(reconstruction.signal, model.decode(stack))
    assert torch.equal(reconstruction.quantized.codes[0], stack.levels[0])
    assert torch.equal(reconstruction.quantized.z_q, model.quantizer.decode(stack.levels))


@coded
def test_law_1_for_every_quantizer_inside_a_tokenizer(quantizer: str) -> None:
    model, signal = tokenizer(quantizer=quantizer), crop(33, 22)
    stack = model.encode(signal)
    stack.check_range()
    with torch.no_grad():
        assert torch.equal(model(signal).signal, model.decode(stack))


def batch(axes: int = 2) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Three crops of different sizes, padded with noise; their lengths; the crops."""
    items = [signal_of(axes, 30, 21), signal_of(axes, 17, 40, 100, 100), signal_of(axes, 8, 9, 10, 150)]
    size = {1: (280,), 2: (32, 40), 3: (32, 14, 15)}[axes]
    padded = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for target, item in zip(padded, items, strict=True):
        target[(slice(None), *map(slice, item.shape[2:]))] = item[0]
    return padded, torch.tensor([item.shape[2:] for item in items]), items


@coded
def test_law_2_codes_depend_neither_on_batch_mates_nor_on_padding(quantizer: str) -> None:
    model = tokenizer(quantizer=quantizer)
    signal, lengths, items = batch()
    stack = model.encode(signal, lengths)
    decoded = model.decode(stack)
    for number, item in enumerate(items):
        alone = model.encode(item)
        for together, own in zip(stack.levels, alone.levels, strict=True):
            assert torch.equal(together[number : number + 1, : own.shape[1], : own.shape[2]], own)
        own_signal = model.decode(alone)
        assert torch.equal(decoded[number : number + 1, :, : item.shape[2], : item.shape[3]], own_signal)
        beyond = ~valid_mask(lengths, (32, 40))[number]
        assert not decoded[number].masked_select(beyond).any()


@every
def test_law_2_for_every_encoder_and_decoder(encoder: str, decoder: str) -> None:
    model = tokenizer(encoder, "fsq", decoder)
    axes = axes_of(encoder)
    items = torch.cat([signal_of(axes, 30, 21), signal_of(axes, 30, 21, 100, 100), signal_of(axes, 30, 21, 20, 130)])
    stack = model.encode(items)
    for number, item in enumerate(items.split(1)):
        assert torch.equal(stack.levels[0][number : number + 1], model.encode(item).levels[0])
    assert torch.equal(model.decode(stack)[1:2], model.decode(model.encode(items[1:2])))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_law_2_an_encoder_in_training_ignores_padding(encoder: str) -> None:
    signal, lengths, items = batch(axes_of(encoder))
    part = tokenizer(encoder).encoder
    with torch.no_grad():
        latent = part(signal, lengths)
        for number, item in enumerate(items):
            alone = part(item, None)
            together = latent[(slice(number, number + 1), slice(None), *(slice(0, n) for n in alone.shape[2:]))]
            assert torch.allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("decoder", [name for name in DECODERS if DECODERS[name]().tokens is None])
def test_law_2_a_decoder_in_training_ignores_padding(decoder: str) -> None:
    part = DECODERS[decoder]().eval()
    size, own = {1: ((30,), (6,)), 2: ((5, 6), (3, 2)), 3: ((4, 5, 6), (3, 3, 2))}[part.axes]
    z_q = torch.randn(2, part.latent_dim, *size, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([size, own])
    with torch.no_grad():
        extents = (n * step for n, step in zip(own, part.stride, strict=True))
        together = part(z_q, lengths)[(slice(1, 2), slice(None), *(slice(0, n) for n in extents))]
        alone = z_q[(slice(1, 2), slice(None), *map(slice, own))].clone()
        assert torch.allclose(together, part(alone, None), atol=1e-4)


@every
def test_law_3_chunks_change_no_bit_or_are_an_error(encoder: str, decoder: str) -> None:
    axes = axes_of(encoder)
    model, signal = tokenizer(encoder, "fsq", decoder), signal_of(axes, 150, 190, 0, 0)
    stack = model.encode(signal)
    if model.encoder.receptive_field is None and not model.encoder.causal:
        with pytest.raises(ValueError, match="whole signal"):
            model.encode(signal, chunk=64)
    else:
        for chunk in {1: (32, 200, 500), 2: (32, (64, 200), (500, 48)), 3: (4, (20, 8, 8), 400)}[axes]:
            assert_same(model.encode(signal, chunk=chunk), stack)
    if model.decoder.receptive_field is None and not model.decoder.causal:
        with pytest.raises(ValueError, match="whole signal"):
            model.decode(stack, chunk=64)
    else:
        assert torch.equal(model.decode(stack, chunk=(32, 64, 8)[:axes]), model.decode(stack))


@every
def test_law_3_blocks_compute_what_the_parts_compute_whole(encoder: str, decoder: str) -> None:
    axes = axes_of(encoder)
    model, signal = tokenizer(encoder, "fsq", decoder), signal_of(axes, 150, 190, 0, 0)
    size = tuple(signal.shape[2:])
    with torch.no_grad():
        reconstruction = model(signal)
        assert torch.allclose(reconstruction.latent, model.encoder(signal, None), atol=1e-4)
        grid = () if model.decoder.tokens is None else (grid_size(size, (STRIDE,) * axes),)
        whole = model.decoder(reconstruction.quantized.z_q, None, *grid)
        begin = model.lead or (0,) * axes
        whole = whole[(..., *(slice(first, first + n) for first, n in zip(begin, size, strict=True)))]
        assert torch.allclose(reconstruction.signal, whole, atol=1e-4)


@every
def test_law_5_every_parameter_of_a_tokenizer_receives_a_gradient(encoder: str, decoder: str) -> None:
    torch.manual_seed(0)
    model = Tokenizer(
        encoder=ENCODERS[encoder](),
        quantizer=QUANTIZERS["identity"].build(),
        decoder=DECODERS[decoder](),
        value_range=(-1.0, 1.0),
        block=BLOCK,
        sample_rate=None,
    ).train()
    signal = signal_of(axes_of(encoder), 32, 32)
    (model(signal).signal - signal).square().mean().backward()
    for name, parameter in model.named_parameters():
        if model.encoder.led and name.startswith("encoder."):
            assert not parameter.requires_grad, f"{name}: a led encoder has no trainable parameter"
            continue
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_quantizer_without_codes_names_embed() -> None:
    model, signal = tokenizer(quantizer="identity"), crop(16, 20)
    with pytest.raises(ValueError, match=r"Tokenizer\.embed"):
        model.encode(signal)
    with torch.no_grad():
        reconstruction = model(signal)
    assert reconstruction.signal.shape == signal.shape and reconstruction.quantized.codes == ()
    assert torch.equal(model.embed(signal)[0].T, reconstruction.quantized.z_q[0].flatten(1))


# Of pictures: some published codecs end in a tanh, and an inverse STFT takes its last layer's values as logarithms.
PICTURES = [pair for pair in pairs() if pair[1] in ("conv", "vit", "query")]


@pytest.mark.parametrize(("encoder", "decoder"), PICTURES)
def test_the_training_forward_cuts_nothing_so_values_beyond_the_range_learn(encoder: str, decoder: str) -> None:
    model = copy.deepcopy(tokenizer(encoder, "fsq", decoder)).train()
    last = model.decoder.last_layer
    with torch.no_grad():
        last.bias.fill_(6.0)  # the picture lies in -1 to 1
    model.zero_grad()
    signal = crop(32, 32)
    out = model(signal).signal
    assert out.min() > 1.5
    (out - signal).square().mean().backward()
    assert last.bias.grad.abs().min() > 0
