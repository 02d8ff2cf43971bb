"""Videos as tokens: causal, streamed to the bit, of bounded memory; a single frame is a picture."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))
from quantizer_table import QUANTIZERS
from table import DECODERS, ENCODERS

from signaltok.artifact.onnx import write_onnx
from signaltok.cli.pieces import decode_pieces, encode_pieces
from signaltok.parts import Decoder, Encoder
from signaltok.streams.geometry import geometry
from signaltok.streams.stream import stream_of
from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import TokenStack, grid_lengths, grid_size

BLOCK, STRIDE, LEAD = 8, 4, 3
causal = pytest.mark.parametrize("name", ["video", "video haar", "video vidtok", "video cosmos"])


@cache
def tokenizer(name: str, quantizer: str = "rvq", block: int = BLOCK) -> Tokenizer:
    torch.manual_seed(0)
    built = Tokenizer(
        encoder=ENCODERS[name](),
        quantizer=QUANTIZERS[quantizer].build(),
        decoder=DECODERS[name](),
        value_range=(-1.0, 1.0),
        block=block,
        sample_rate=12,
    ).train()
    built(clip(9, seed=1))
    return built.eval()


def clip(frames: int, seed: int = 0, sides: tuple[int, int] = (9, 14)) -> Tensor:
    return torch.rand(1, 3, frames, *sides, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def streamed(model: Tokenizer, whole: Tensor, pieces: list[int], **options: int) -> tuple[list[TokenStack], Tensor]:
    """The codes and frames of a video that comes in pieces of so many frames, one after another, over and over."""
    stream, stacks, frames, start = model.stream(**options), [], [], 0
    while start < whole.shape[2]:
        length = pieces[len(stacks) % len(pieces)]
        stacks.append(stream.encode(whole[:, :, start : start + length]))
        frames.append(stream.decode(stacks[-1]))
        start += length
    stacks.append(stream.flush())
    frames.append(stream.decode(stacks[-1], last=True))
    return stacks, torch.cat(frames, dim=2)


def joined(stacks: list[TokenStack]) -> list[Tensor]:
    return [torch.cat(level, dim=1) for level in zip(*(stack.levels for stack in stacks), strict=True)]


@pytest.mark.parametrize(("size", "cells"), [(1, 1), (2, 2), (5, 2), (6, 3), (9, 3), (10, 4), (17, 5)])
def test_the_first_frame_has_a_cell_and_every_four_more_have_one(size, cells):
    assert grid_size((size, 16, 17), (4, 8, 8), lead=(3, 0, 0)) == (cells, 2, 3)
    assert grid_lengths(torch.tensor([[size, 16, 17]]), (4, 8, 8), lead=(3, 0, 0)).tolist() == [[cells, 2, 3]]
    assert tokenizer("video").encode(clip(size)).levels[0].shape == (1, cells, 3, 4)


@causal
@pytest.mark.parametrize("length", [1, 4, 5, 14])
def test_what_is_streamed_is_the_whole_to_the_bit(name, length):
    model, whole = tokenizer(name), clip(length)
    stack = model.encode(whole)
    for pieces in ([1], [3, 11]):
        stacks, frames = streamed(model, whole, pieces)
        assert all(torch.equal(own, level) for own, level in zip(joined(stacks), stack.levels, strict=True))
        assert sum(part.signal_size[0] for part in stacks) == length
        assert torch.equal(frames, model.decode(stack))


@causal
def test_any_latency_gives_the_same_codes_and_frames_equal_up_to_rounding(name):
    whole = clip(18)
    stack = tokenizer(name).encode(whole)
    expected = tokenizer(name).decode(stack)
    for latency in (4, 12):
        stacks, frames = streamed(tokenizer(name), whole, [7], latency=latency)
        assert all(torch.equal(own, level) for own, level in zip(joined(stacks), stack.levels, strict=True))
        assert torch.allclose(frames, expected, atol=1e-5)
    blocks = tokenizer(name, "identity", 4).embed(whole)
    assert torch.allclose(blocks, tokenizer(name, "identity").embed(whole), atol=1e-5)


@causal
@pytest.mark.parametrize("length", [1, 5, 14])
def test_what_the_command_does_by_pieces_is_the_whole_to_the_bit(name, length):
    model, whole = tokenizer(name), clip(length)
    stack = model.encode(whole)
    item = encode_pieces(model, "clip", iter(whole[0].split(3, dim=1)))
    assert item.signal_size == (length, 9, 14)
    assert all(np.array_equal(own, level[0]) for own, level in zip(item.levels, stack.levels, strict=True))
    assert np.array_equal(np.concatenate(list(decode_pieces(model, item)), axis=1), model.decode(stack)[0])


@causal
def test_memory_does_not_grow_with_the_video(name):
    stream, held = tokenizer(name).stream(), []
    for number in range(8):
        stream.decode(stream.encode(clip(5, seed=number)))
        held.append(stream.remembered)
    assert max(held[4:]) <= max(held[:4])


@causal
@pytest.mark.parametrize("changed", [0, 1, 4, 5, 12])
def test_changing_a_frame_leaves_all_earlier_codes(name, changed):
    model, whole = tokenizer(name), clip(13)
    other = whole.clone()
    other[:, :, changed] = -other[:, :, changed]
    cell = (changed + LEAD) // STRIDE
    for before, after in zip(model.encode(whole).levels, model.encode(other).levels, strict=True):
        assert torch.equal(before[:, :cell], after[:, :cell])
    # Codes of an untrained encoder may well be equal, latents are not.
    latent, moved = (tokenizer(name, "identity").embed(signal) for signal in (whole, other))
    assert not torch.equal(latent, moved)


@causal
def test_changing_a_code_leaves_all_earlier_frames(name):
    model = tokenizer(name)
    stack = model.encode(clip(13))
    levels = tuple(level.clone() for level in stack.levels)
    for level in levels:
        level[:, 2] = (level[:, 2] + 1) % 16
    changed = model.decode(model.stack(levels, stack.signal_size, None))
    same = (changed == model.decode(stack)).flatten(3).all(3).all(1)[0]
    assert same.tolist() == [True] * 5 + [False] * 8


@causal
def test_a_single_frame_is_a_picture_and_a_still_repeats_it(name):
    model, frame = tokenizer(name, "identity"), clip(1)
    alone = model.embed(frame)
    still = model.embed(frame.expand(-1, -1, 9, -1, -1).contiguous())
    assert torch.allclose(still.view(1, 3, *alone.shape[1:]), alone[:, None].expand(-1, 3, -1, -1), atol=1e-5)
    with torch.no_grad():
        assert model(frame).signal.shape == frame.shape


def reach(part: Encoder | Decoder, axis: int, inputs: Tensor, cell: int, factors: tuple[int, int]) -> int:
    """How far beyond its own positions an output in the middle looks along an axis, by its gradient."""
    inputs.requires_grad_()
    out = part(inputs, None)
    first, many = cell * factors[0], factors[0]
    out.narrow(2 + axis, first, many).sum().backward()
    others = [n for n in range(inputs.ndim) if n != 2 + axis]
    seen = inputs.grad.abs().sum(others).nonzero().flatten()
    own_first, own_last = cell * factors[1], (cell + 1) * factors[1] - 1
    return max(own_first - int(seen.min()), int(seen.max()) - own_last)


@pytest.mark.parametrize("name", ["video", "video haar"])
def test_the_receptive_field_is_what_is_measured(name):
    torch.manual_seed(0)
    encoder, decoder = ENCODERS[name](), DECODERS[name]()
    for axis, size in enumerate([(65, 8, 8), (1, 80, 8), (1, 8, 80)]):
        measured = reach(encoder, axis, clip(size[0], sides=size[1:]), 8, (1, STRIDE))
        # Of time, the first cell's frames are copies of one: cell 8 ends with frame 32.
        measured = measured - LEAD if axis == 0 else measured
        assert 0 < measured <= encoder.receptive_field[axis], (axis, measured, encoder.receptive_field)
        assert encoder.receptive_field[axis] - measured < STRIDE
        grid = [2, 2, 2]
        grid[axis] = 17
        measured = reach(decoder, axis, torch.randn(1, 4, *grid), 8, (STRIDE, 1))
        assert measured == decoder.receptive_field[axis], axis


@causal
def test_a_batch_of_videos_of_different_extents_decodes_to_their_own(name):
    model = tokenizer(name)
    items = [clip(13, sides=(9, 14)), clip(6, seed=1, sides=(14, 5))]
    padded = torch.zeros(2, 3, 13, 14, 14)
    for target, item in zip(padded, items, strict=True):
        target[(slice(None), *map(slice, item.shape[2:]))] = item[0]
    lengths = torch.tensor([item.shape[2:] for item in items])
    stack = model.encode(padded, lengths)
    decoded = model.decode(stack)
    for number, item in enumerate(items):
        own = decoded[(slice(number, number + 1), slice(None), *map(slice, item.shape[2:]))]
        assert torch.equal(own, model.decode(model.encode(item)))
        assert float(decoded[number].abs().sum()) == pytest.approx(float(own.abs().sum()), rel=1e-5)


def test_the_stream_of_a_vocabulary_knows_the_lead_and_when_each_cell_begins():
    header = {
        "modality": "video", "fingerprint": "f", "codebook_sizes": [16], "strides": [[4, 8, 8]], "sample_rate": 12,
        "lead": [3, 0, 0],
    }  # fmt: skip
    stream = stream_of(header)
    assert stream.grid_sizes((10, 16, 16)) == ((4, 2, 2),)
    assert stream.from_json(stream.to_json()) == stream
    times = geometry(stream, stream.grid_sizes((10, 16, 16))).times
    assert np.array_equal(times, [0, 1, 5, 9])
    assert "lead" not in stream_of({**header, "lead": None}).to_json()
    with pytest.raises(ValueError, match=r"a lead of \(4, 0, 0\) leaves the first cells"):
        stream_of({**header, "lead": [4, 0, 0]})


def test_what_is_refused(tmp_path):
    model = tokenizer("video")
    stream = model.stream()
    stream.encode(clip(2))
    with pytest.raises(ValueError, match=r"has frames of \(9, 14\), and now gets \(9, 15\)"):
        stream.encode(clip(2, sides=(9, 15)))
    with pytest.raises(ValueError, match="latency must be a multiple of 4 and at least 4 samples, got 6"):
        model.stream(latency=6)
    piece = model.stack(tuple(torch.zeros(1, 1, 3, 4).long() for _ in range(3)), (4, 9, 14), None, first=False)
    with pytest.raises(ValueError, match="or are a piece of a stream"):
        model.decode(piece)
    with pytest.raises(ValueError, match="encoder and decoder disagree: axes is 3 and 2"):
        Tokenizer(
            encoder=ENCODERS["video"](), quantizer=QUANTIZERS["fsq"].build(), decoder=DECODERS["conv"](),
            value_range=(-1.0, 1.0), block=64, sample_rate=None,
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"ONNX export is for signals of whole cells, .* \(lead \(3, 0, 0\)\)"):
        write_onnx(model, tmp_path, clip(5))
    part = type(ENCODERS["video"]())
    arguments = dict(ENCODERS["video"]().arguments)
    with pytest.raises(ValueError, match="axes is 2, but a video has three"):
        part(**arguments | {"axes": 2})
    with pytest.raises(ValueError, match=r"time_strides \[2\] must say one for each of the widths"):
        part(**arguments | {"time_strides": [2]})
