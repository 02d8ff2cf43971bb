"""Long signals piece by piece, by tokenizers that stream: the same codes and values, in a memory that does not grow."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from signaltok.store.plan import Item
from signaltok.streaming import Stream, against_streaming
from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import TokenStack


def can_stream(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer goes on from piece to piece."""
    return against_streaming(tokenizer.encoder, tokenizer.quantizer, tokenizer.decoder) is None


def encode_pieces(tokenizer: Tokenizer, key: str, pieces: Iterator[Tensor]) -> Item:
    """The codes of a signal that comes in pieces [c, n, ...]; what encode gives of the whole, to the bit."""
    stream = tokenizer.stream()
    codes: list[_Codes] = []
    length, sides = 0, tuple[int, ...]()
    for stack in _stacks(stream, pieces):
        codes = codes or [_Codes() for _ in stack.levels]
        for own, level in zip(codes, stack.levels, strict=True):
            own.add(level[0])
        length, sides = length + stack.signal_size[0], stack.signal_size[1:]
    return Item(key=key, levels=tuple(own.all() for own in codes), signal_size=(length, *sides))


def _stacks(stream: Stream, pieces: Iterator[Tensor]) -> Iterator[TokenStack]:
    for piece in pieces:
        yield stream.encode(piece[None])
    yield stream.flush()


class _Codes:
    """The codes of one level in one block that grows.

    Small blocks that stay, one a piece, would lie between the large ones that come and go, and pin their memory.
    """

    def __init__(self) -> None:
        self.held = bytearray()
        self.cells: tuple[int, ...] = ()

    def add(self, level: Int64[Tensor, "n *cells"]) -> None:
        self.held += level.cpu().contiguous().numpy().tobytes()
        self.cells = tuple(level.shape[1:])

    def all(self) -> np.ndarray:
        return np.frombuffer(self.held, dtype=np.int64).reshape(-1, *self.cells)


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
