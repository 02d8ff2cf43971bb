"""Long signals piece by piece, by tokenizers that stream: the same codes and values, in a memory that does not grow."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from signaltok.store.plan import Item
from signaltok.streaming import against_streaming
from signaltok.tokenizer import Tokenizer


def can_stream(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer goes on from piece to piece."""
    return against_streaming(tokenizer.encoder, tokenizer.quantizer, tokenizer.decoder) is None


def encode_pieces(tokenizer: Tokenizer, key: str, pieces: Iterator[Tensor]) -> Item:
    """The codes of a signal that comes in pieces [c, n, ...]; what encode gives of the whole, to the bit."""
    stream, stacks = tokenizer.stream(), []
    for piece in pieces:
        stacks.append(stream.encode(piece[None]))
    stacks.append(stream.flush())
    levels = tuple(
        torch.cat([level[0].cpu() for level in q], dim=0).numpy()
        for q in zip(*(stack.levels for stack in stacks), strict=True)
    )
    length = sum(stack.signal_size[0] for stack in stacks)
    return Item(key=key, levels=levels, signal_size=(length, *stacks[-1].signal_size[1:]))


def decode_pieces(tokenizer: Tokenizer, item: Item) -> Iterator[np.ndarray]:
    """The signal of an item in pieces [c, n, ...]; together what decode gives of the whole, to the bit."""
    stream, stride = tokenizer.stream(), tokenizer.encoder.stride[0]
    lead = 0 if tokenizer.lead is None else tokenizer.lead[0]
    cells, block = item.levels[0].shape[0], tokenizer.block // stride
    length, sides = item.signal_size[0], item.signal_size[1:]
    for start in range(0, cells, block):
        levels = tuple(torch.from_numpy(level[start : start + block].astype(np.int64))[None] for level in item.levels)
        first, last = max(0, start * stride - lead), min(length, (start + block) * stride - lead)
        stack = tokenizer.stack(levels, (last - first, *sides), None, first=start == 0)
        yield stream.decode(stack, last=start + block >= cells)[0].cpu().numpy()
