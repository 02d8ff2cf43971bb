"""Signals without a known end: causal parts go on from piece to piece, whole files and streams alike.

The pieces of a signal begin at the multiples of the recorded block, counted from its beginning, whatever its length:
a stream that computes block by block does the same arithmetic as `Tokenizer.encode` and `decode` do on the whole, and
its codes and samples are equal to the bit. What is remembered between pieces does not grow.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.parts import Decoder, Encoder, Quantizer
from signaltok.types.memory import Memory
from signaltok.types.token_stack import WHOLE, TokenStack, grid_size

Levels = tuple[Int64[Tensor, "b n *grid"], ...]


def against_streaming(encoder: Encoder, quantizer: Quantizer, decoder: Decoder) -> str | None:
    """Why these parts cannot compute a signal as it comes; None where they can."""
    for part in (encoder, decoder):
        if not part.causal:
            return f"{type(part).__name__} is not causal: what it gives depends on what comes later" + (
                " (its layers pad both sides; convolutions.padding=causal would not)" if part.axes == 1 else ""
            )
    if not quantizer.codebook_sizes:
        return f"{type(quantizer).__name__} has no codes"
    if quantizer.blank is not None:
        return f"{type(quantizer).__name__} gives runs of codes, and one may begin in one piece and end in the next"
    if set(quantizer.level_strides) != {1} or set(quantizer.level_shares) != {WHOLE}:
        return f"{type(quantizer).__name__} has levels that are coarser than the latent, of several cells each"
    return None


def carried(
    source: Float[Tensor, "1 c n *s"], carry_on: Callable[[Tensor, Memory], Tensor], extent: int, lead: int
) -> Float[Tensor, "1 d m *l"]:
    """A whole signal through a causal part, `extent` positions of the first axis at a time, at first less lead."""
    memory, size, pieces = Memory(), source.shape[2], []
    for start in range(-lead, size, extent):
        memory.last = start + extent >= size
        pieces.append(carry_on(_fresh(source[:, :, max(0, start) : start + extent]), memory))
    return torch.cat(pieces, dim=2)


def coded(quantizer: Quantizer, latent: Float[Tensor, "1 d l *grid"], cells: int) -> Levels:
    """The codes of a latent, so many cells at a time."""
    pieces = [quantizer.encode(_fresh(piece)) for piece in latent.split(cells, dim=2)]
    return tuple(torch.cat(level, dim=1) for level in zip(*pieces, strict=True))


def vectors(quantizer: Quantizer, levels: Levels, cells: int) -> Float[Tensor, "1 d l *grid"]:
    """The vectors of codes, so many cells at a time."""
    pieces = zip(*(level.split(cells, dim=1) for level in levels), strict=True)
    return torch.cat([quantizer.decode(tuple(map(_fresh, piece))) for piece in pieces], dim=2)


def _fresh(piece: Tensor) -> Tensor:
    """A copy with canonical strides, which the choice of a convolution's algorithm looks at."""
    return piece.clone(memory_format=torch.contiguous_format)


class Stream:
    """One signal [1, c, n, ...] as it comes: samples to codes, codes to samples, each as soon as a block is there.

    It comes along its first axis: samples of a sound, frames of a video. extent: how many are computed at a time, and
    so the delay. Made by Tokenizer.stream.
    """

    def __init__(
        self,
        *,
        encoder: Encoder,
        quantizer: Quantizer,
        decoder: Decoder,
        extent: int,
        exactly: Callable[[], AbstractContextManager[None]],
        check_signal: Callable[[Tensor, None], None],
        check_piece: Callable[[TokenStack], None],
        stack: Callable[[Levels, tuple[int, ...], bool], TokenStack],
    ) -> None:
        self._encoder, self._quantizer, self._decoder = encoder, quantizer, decoder
        self._exactly, self._check_signal, self._check_piece, self._stack = exactly, check_signal, check_piece, stack
        self._extent, self._cells = extent, extent // encoder.stride[0]
        self._heard, self._said = Memory(), Memory()
        lead = 0 if encoder.lead is None else encoder.lead[0]
        self._missing, self._before = lead, lead  # what the first block lacks of samples, and of those decoded
        self._samples: Tensor | None = None
        self._codes: Levels | None = None
        self._owed = 0  # samples that the codes given to decode stand for, less those it has given back

    @property
    def remembered(self) -> int:
        """Numbers held at the moment; bounded, however long the signal is."""
        waiting = [self._samples, *(self._codes or ())]
        return self._heard.size + self._said.size + sum(0 if held is None else held.numel() for held in waiting)

    def encode(self, piece: Float[Tensor, "1 c n *s"]) -> TokenStack:
        """The codes that are complete with this piece: whole blocks, none where none is. Raises as Tokenizer.encode."""
        self._check_signal(piece, None)
        if len(piece) != 1:
            raise ValueError(f"a stream is one signal, got a batch of {len(piece)}; make a stream for each")
        if self._heard.last:
            raise ValueError("this stream has ended with flush; a new signal needs a new stream")
        if self._samples is not None and self._samples.shape[3:] != piece.shape[3:]:
            raise ValueError(
                f"this stream has frames of {tuple(self._samples.shape[3:])}, and now gets {tuple(piece.shape[3:])}; a "
                "signal of another size needs a new stream"
            )
        self._samples = piece.clone() if self._samples is None else torch.cat([self._samples, piece], dim=2)
        blocks = (self._samples.shape[2] + self._missing) // self._extent
        return self._encoded(max(0, blocks * self._extent - self._missing))

    def flush(self) -> TokenStack:
        """The codes of what is left of the signal, which ends here; its last cell may be a part of one."""
        self._heard.last = True
        return self._encoded(0 if self._samples is None else self._samples.shape[2])

    def decode(self, stack: TokenStack, last: bool = False) -> Float[Tensor, "1 c n *s"]:
        """The samples of the codes so far: whole blocks. last: of all codes, as none will follow."""
        self._check_piece(stack)
        if stack.batch_size != 1 or (self._codes is not None and len(stack.levels) != len(self._codes)):
            raise ValueError(f"a stream is one signal of one number of levels, got {tuple(map(len, stack.levels))}")
        codes = tuple(level.to(self._device) for level in stack.levels)
        if self._codes is not None:
            codes = tuple(torch.cat([held, new], dim=1) for held, new in zip(self._codes, codes, strict=True))
        self._owed += stack.signal_size[0]
        cells = codes[0].shape[1]
        ready = cells if last else cells // self._cells * self._cells
        self._codes = tuple(level[:, ready:].clone() for level in codes)
        self._said.last = last
        sides = stack.signal_size[1:]
        pieces = [torch.zeros(1, self._decoder.channels, 0, *sides, device=self._device)]
        with self._exactly():
            for start in range(0, ready, self._cells):
                stop = min(start + self._cells, ready)
                levels = tuple(_fresh(level[:, start:stop]) for level in codes)
                piece = self._decoder.carry_on(_fresh(self._quantizer.decode(levels)), self._said)
                pieces.append(piece[(slice(None), slice(None), slice(self._before, None), *map(slice, sides))])
                self._before = 0
        signal = torch.cat(pieces, dim=2)[:, :, : self._owed]
        self._owed -= signal.shape[2]
        return signal

    @property
    def _device(self) -> torch.device:
        return next(self._encoder.parameters()).device

    def _encoded(self, ready: int) -> TokenStack:
        sides = (0,) * (self._encoder.axes - 1) if self._samples is None else tuple(self._samples.shape[3:])
        grid = grid_size(sides, self._encoder.stride[1:])
        levels: list[Levels] = [tuple(torch.zeros(1, 0, *grid).long() for _ in self._quantizer.codebook_sizes)]
        first, begun = self._missing > 0 and ready > 0, -self._missing
        with self._exactly():
            for start in range(begun if ready else 0, ready, self._extent):
                assert self._samples is not None
                piece = _fresh(self._samples[:, :, max(0, start) : min(start + self._extent, ready)])
                latent = self._encoder.carry_on(piece.to(self._device, torch.float32), self._heard)
                levels.append(self._quantizer.encode(_fresh(latent)))
        if self._samples is not None:
            self._samples = self._samples[:, :, ready:].clone()
        self._missing = 0 if ready else self._missing
        joined = tuple(torch.cat([level.to(self._device) for level in q], dim=1) for q in zip(*levels, strict=True))
        return self._stack(joined, (ready, *sides), first)
