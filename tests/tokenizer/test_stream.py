"""Streams: equal to the whole to the bit, of bounded memory, and refused where something later is looked at."""

import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from quantizer_table import QUANTIZERS
from table import DECODERS, ENCODERS

from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import TokenStack

BLOCK, STRIDE = 64, 4
causal = pytest.mark.parametrize("name", ["codec lstm", "codec transformer"])


@cache
def tokenizer(name: str, quantizer: str = "rvq projected", block: int = BLOCK) -> Tokenizer:
    torch.manual_seed(0)
    built = Tokenizer(
        encoder=ENCODERS[name](),
        quantizer=QUANTIZERS[quantizer].build(),
        decoder=DECODERS[name](),
        value_range=(-1.0, 1.0),
        block=block,
        sample_rate=None,
    ).train()
    built(signal(400, seed=1))
    return built.eval()


def signal(length: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, length, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def streamed(model: Tokenizer, whole: Tensor, pieces: list[int], **options: int) -> tuple[list[TokenStack], Tensor]:
    """The codes and samples of a signal that comes in pieces of these lengths, one after another, over and over."""
    stream, stacks, samples, start = model.stream(**options), [], [], 0
    while start < whole.shape[-1]:
        length = pieces[len(stacks) % len(pieces)]
        stacks.append(stream.encode(whole[..., start : start + length]))
        samples.append(stream.decode(stacks[-1]))
        start += length
    stacks.append(stream.flush())
    samples.append(stream.decode(stacks[-1], last=True))
    return stacks, torch.cat(samples, dim=-1)


def joined(stacks: list[TokenStack]) -> list[Tensor]:
    return [torch.cat(level, dim=1) for level in zip(*(stack.levels for stack in stacks), strict=True)]


@causal
@pytest.mark.parametrize("length", [1, 3, 63, 64, 65, 260, 500])
def test_what_is_streamed_is_the_whole_to_the_bit(name, length):
    model, whole = tokenizer(name), signal(length)
    stack = model.encode(whole)
    for pieces in ([1], [7, 200], [64], [1000]):
        if pieces == [1] and length > 300:
            continue
        stacks, samples = streamed(model, whole, pieces)
        assert all(torch.equal(own, level) for own, level in zip(joined(stacks), stack.levels, strict=True))
        assert sum(part.signal_size[0] for part in stacks) == length
        assert torch.equal(samples, model.decode(stack))


@causal
def test_codes_come_as_soon_as_their_block_is_there(name):
    stream = tokenizer(name).stream()
    have = [stream.encode(signal(32, seed=n)).levels[0].shape[1] for n in range(5)]
    assert have == [0, 16, 0, 16, 0]
    assert stream.flush().levels[0].shape[1] == 8


@causal
def test_another_latency_gives_what_is_equal_up_to_rounding(name):
    model, whole = tokenizer(name, "identity"), signal(600)
    reference = model.embed(whole)
    blocks = tokenizer(name, "identity", 16).embed(whole)
    assert torch.allclose(blocks, reference, atol=1e-5)  # on some CPUs to the bit
    model = tokenizer(name)
    stacks, samples = streamed(model, whole, [50], latency=16)
    equal = torch.stack(
        [(a == b).float().mean() for a, b in zip(joined(stacks), model.encode(whole).levels, strict=True)]
    )
    assert equal.mean() > 0.99
    if equal.min() == 1:
        assert torch.allclose(samples, model.decode(model.encode(whole)), atol=1e-5)


@causal
def test_memory_does_not_grow_with_the_signal(name):
    model = tokenizer(name)
    stream, held = model.stream(), []
    for number in range(40):
        stream.decode(stream.encode(signal(40, seed=number)))
        held.append(stream.remembered)
    assert max(held[20:]) == max(held[10:20])


@causal
def test_codes_can_come_one_at_a_time(name):
    model, whole = tokenizer(name), signal(300)
    stack, stream, samples = model.encode(whole), model.stream(), []
    cells = stack.levels[0].shape[1]
    for cell in range(cells):
        levels = tuple(level[:, cell : cell + 1] for level in stack.levels)
        samples.append(stream.decode(model.stack(levels, (STRIDE,), None), last=cell == cells - 1))
    assert torch.equal(torch.cat(samples, dim=-1), model.decode(stack))


@causal
def test_any_chunk_gives_the_same_codes_and_fewer_levels_decode(name):
    model, whole = tokenizer(name), signal(500)
    stack = model.encode(whole)
    for chunk in (4, 100, 800):
        assert all(
            torch.equal(a, b) for a, b in zip(model.encode(whole, chunk=chunk).levels, stack.levels, strict=True)
        )
    first = TokenStack(
        levels=stack.levels[:1],
        codebook_sizes=stack.codebook_sizes[:1],
        strides=stack.strides[:1],
        signal_size=(500,),
        lengths=(None,),
    )
    stream = model.stream()
    assert torch.equal(stream.decode(first, last=True), model.decode(first))


@pytest.mark.parametrize(
    ("name", "quantizer", "reason"),
    [
        ("codec norm", "vq", "CodecEncoder is not causal: .* convolutions.padding=causal would not"),
        ("codec", "vq", "CodecEncoder is not causal"),
        ("spectral", "vq", "SpectralEncoder is not causal"),
        ("conv", "vq", "ConvEncoder is not causal"),
        ("codec lstm", "identity", "IdentityQuantizer has no codes"),
        ("codec lstm", "multiscale", "MultiscaleQuantizer has levels that are coarser"),
    ],
)
def test_what_cannot_stream_says_why(name, quantizer, reason):
    torch.manual_seed(0)
    model = Tokenizer(
        encoder=ENCODERS[name](),
        quantizer=QUANTIZERS[quantizer].build(),
        decoder=DECODERS[name](),
        value_range=(-1.0, 1.0),
        block=256,
        sample_rate=None,
    )
    with pytest.raises(ValueError, match=f"this tokenizer cannot stream: {reason}"):
        model.stream()


def test_what_a_stream_refuses():
    model = tokenizer("codec lstm")
    stream = model.stream()
    with pytest.raises(ValueError, match="a stream is one signal, got a batch of 2"):
        stream.encode(signal(8).expand(2, 3, 8))
    with pytest.raises(ValueError, match="reads -1 to 1"):
        stream.encode(signal(8) * float("nan"))
    stream.encode(signal(8))
    stream.flush()
    with pytest.raises(ValueError, match="has ended with flush"):
        stream.encode(signal(8))
    with pytest.raises(ValueError, match="latency must be a multiple of 4 and at least 12 samples, got 8"):
        model.stream(latency=8)
    with pytest.raises(ValueError, match="they come from another tokenizer"):
        stream.decode(tokenizer("codec lstm", "fsq").encode(signal(8)))
    with pytest.raises(ValueError, match=r"block 8 must hold at least the 3 cells .*; 12 would do"):
        tokenizer("codec lstm", "vq", 8)


def test_a_signal_shorter_than_a_reflection_streams_as_the_whole():
    model = tokenizer("codec lstm")
    for length in (1, 2, 5):
        stacks, samples = streamed(model, signal(length), [1])
        assert torch.equal(samples, model.decode(model.encode(signal(length))))
        assert joined(stacks)[0].shape == (1, -(-length // 4))
