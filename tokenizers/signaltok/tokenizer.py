"""Tokenizer: encoder, quantizer and decoder as one plain module, and the exact path from signals to codes and back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.artifact.write import write_tokenizer
from signaltok.blocks import assemble, pad_to
from signaltok.checks import cells_of_chunk, check_decodes, check_parts, check_signal, check_stack, spans_of
from signaltok.collapsing import codes_of_item, stack_of_runs
from signaltok.exactness import exact_arithmetic, full_precision
from signaltok.parts import Decoder, Encoder, Part, Quantizer, any_tensor
from signaltok.streaming import Stream, against_streaming, carried, coded, vectors
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import WHOLE, Lead, Share, TokenStack, grid_lengths, grid_size, valid_mask


class Tokenizer(Part, nn.Module):
    """encoder -> quantizer -> decoder.

    value_range: (low, high) of the signals. block: extent per axis, in signal positions, of the blocks in which
    parts with a finite receptive field, and causal ones (along the first axis), compute items longer than it; recorded
    with an exported tokenizer, because codes are exact for one block size. sample_rate: positions a second along the
    first axis (samples of a sound, frames of a video), None where signals have none. In training mode forward is one
    batched pass; in eval mode it is decode of encode, item by item, so that an item's codes depend on nothing but the
    item.
    """

    def __init__(
        self,
        *,
        encoder: Encoder,
        quantizer: Quantizer,
        decoder: Decoder,
        value_range: Sequence[float],
        block: int,
        sample_rate: int | None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.quantizer = quantizer
        self.decoder = decoder
        self.value_range = (float(value_range[0]), float(value_range[1]))
        self.block = block
        self.sample_rate = sample_rate
        check_parts(encoder, quantizer, decoder, self.value_range, block)

    @property
    def device(self) -> torch.device:
        """Where the encoder is."""
        return any_tensor(self.encoder).device

    @property
    def strides(self) -> tuple[tuple[int, ...], ...]:
        """Stride of each level against the signal, per axis; where the encoder has tokens, against their sequence."""
        if self.encoder.tokens is not None:
            return tuple((level,) for level in self.quantizer.level_strides)
        return tuple(tuple(step * level for step in self.encoder.stride) for level in self.quantizer.level_strides)

    @property
    def shares(self) -> tuple[Share, ...]:
        """Share of each level, see types.token_stack.grid_size."""
        return self.quantizer.level_shares

    @property
    def lead(self) -> Lead | None:
        """Positions that the first cell lacks, see types.token_stack.grid_size."""
        return self.encoder.lead

    def encode(
        self,
        signal: Float[Tensor, "b c *s"],
        lengths: Int64[Tensor, "b axes"] | None = None,
        chunk: int | tuple[int, ...] | None = None,
    ) -> TokenStack:
        """Codes of a batch of signals in value_range, in float32, whatever mode and autocast are on.

        lengths: valid extent of each item. chunk: extent per axis, a multiple of the stride, that is moved to the
        model's device at a time; the codes are the same to the bit. Raises ValueError for a wrong shape, values
        outside the range or not finite, a chunk that does not fit, and for a quantizer without codes.
        """
        self._check_signal(signal, lengths)
        with self._exactly():
            latents = self._latents(signal, lengths, cells_of_chunk(chunk, self.encoder.stride))
            codes = [self._codes(latent) for latent in latents]
        levels = tuple(
            pad_to(list(level), self._grid_of(signal, n)) for n, level in enumerate(zip(*codes, strict=True))
        )
        return self.stack(levels, tuple(signal.shape[2:]), lengths)

    def decode(self, stack: TokenStack, chunk: int | tuple[int, ...] | None = None) -> Float[Tensor, "b c *s"]:
        """Signals of stack.signal_size, zero beyond each item's length. chunk as for encode.

        Fewer levels than the quantizer has are decoded where the quantizer can. Where the encoder makes a sequence of
        tokens, fewer of them decode too: decode(encode(signal).shortened(16)). Raises ValueError for codes that are
        not this tokenizer's, and where it has no decoder.
        """
        check_decodes(self.decoder)
        self._check_stack(stack, self.lead)
        with self._exactly():
            return self._decode_stack(stack, cells_of_chunk(chunk, self.encoder.stride))

    def text(self, stack: TokenStack) -> tuple[str, ...]:
        """What the codes of each item say. Raises ValueError where the decoder gives no text."""
        if not self.decoder.writes:
            raise ValueError(f"{type(self.decoder).__name__} gives signals and no text; Tokenizer.decode gives them")
        self._check_stack(stack, self.lead)
        with self._exactly():
            stack = stack.to(self.device)
            return tuple(self.decoder.text(self._vectors_of(stack, item)[0]) for item in range(stack.batch_size))

    def embed(self, signal: Float[Tensor, "b c *s"]) -> Float[Tensor, "b n d"]:
        """The latent before quantization as continuous tokens, in raster order."""
        self._check_signal(signal, None)
        with self._exactly():
            return torch.cat(self._latents(signal, None, None)).flatten(2).transpose(1, 2)

    def forward(
        self,
        signal: Float[Tensor, "b c *s"],
        lengths: Int64[Tensor, "b axes"] | None = None,
        tokens: int | None = None,
    ) -> Reconstruction:
        """Reconstruct. Training mode: one batched pass with losses; eval mode: decode of encode.

        tokens: in eval mode, of a sequence, from the first so many tokens alone, as decode does with a shortened stack.
        """
        if self.training:
            assert tokens is None, "in training the encoder says how many tokens are kept"
            return self._learn(signal, lengths)
        with exact_arithmetic(self.device):
            latents = self._latents(signal, lengths, None)
            quantized = [self._shortened(self._quantized(latent), tokens) for latent in latents]
            sizes = self._sizes(signal, lengths)
            signals = [self._decode_latent(q.z_q, size, None) for q, size in zip(quantized, sizes, strict=True)]
        grid = self._grid(tuple(signal.shape[2:]))
        kept = grid if tokens is None else (tokens,)
        levels = tuple(
            pad_to([q.codes[n] for q in quantized], grid_size(kept, (stride,) * len(grid), share))
            for n, (stride, share) in enumerate(zip(self.quantizer.level_strides, self.shares, strict=True))
        )
        return Reconstruction(
            signal=pad_to(signals, tuple(signal.shape[2:])),
            quantized=Quantized(z_q=pad_to([q.z_q for q in quantized], kept), codes=levels),
            latent=pad_to(latents, grid),
            mask=self._mask(self._valid(lengths), grid),
        )

    def stack(
        self,
        levels: tuple[Int64[Tensor, "b ..."], ...],
        signal_size: tuple[int, ...],
        lengths: Int64[Tensor, "b axes"] | None,
        tokens: int | None = None,
        first: bool = True,
    ) -> TokenStack:
        """The codes of this tokenizer's levels for signals of this size, with all that decode needs to know.

        levels: on their grids; of a quantizer with a blank they are collapsed here. first: whether the signal begins
        here; False for a later piece of a stream.
        """
        if self.collapses:
            return stack_of_runs(levels[0], self.quantizer, self.encoder.stride, signal_size, lengths)
        lead = self.lead if first else None
        sequence = self.encoder.tokens is not None
        return TokenStack(
            levels=levels,
            codebook_sizes=self.quantizer.codebook_sizes,
            strides=self.strides,
            signal_size=signal_size,
            lengths=tuple(
                None if lengths is None or sequence else grid_lengths(lengths, stride, share, lead)
                for stride, share in zip(self.strides, self.shares, strict=True)
            ),
            signal_lengths=lengths,
            shares=self.shares,
            tokens=self.encoder.tokens if tokens is None else tokens,
            lead=lead,
        )

    @property
    def collapses(self) -> bool:
        """Whether codes are runs of a path over one axis: a level of variable length, whose tokens have spans."""
        return self.quantizer.blank is not None and self.encoder.axes == 1 and self.encoder.tokens is None

    def stream(self, latency: int | None = None) -> Stream:
        """A signal as it comes. latency: samples that are computed at a time; None: the block.

        By blocks, codes and samples are to the bit those of encode and decode; by another latency they are equal up to
        rounding, 1e-5 in the samples, and a code may differ at a near tie. Raises ValueError for parts that look at
        what comes later.
        """
        reason = against_streaming(self.encoder, self.quantizer, self.decoder)
        if reason is not None:
            raise ValueError(f"this tokenizer cannot stream: {reason}")
        stride, least = self.encoder.stride[0], max(self.encoder.least, self.decoder.least)
        extent = self.block if latency is None else latency
        if extent % stride or extent < least * stride:
            raise ValueError(
                f"latency must be a multiple of {stride} and at least {least * stride} samples, got {extent}"
            )
        return Stream(
            encoder=self.encoder,
            quantizer=self.quantizer,
            decoder=self.decoder,
            extent=extent,
            exactly=self._exactly,
            check_signal=self._check_signal,
            check_piece=lambda stack: self._check_stack(stack, stack.lead and self.lead),
            stack=lambda levels, size, first: self.stack(levels, size, None, first=first),
        )

    def save(self, directory: str | Path) -> Path:
        """Write the folder that `signaltok.load` reads, without measurements on its card."""
        return write_tokenizer(self, Path(directory), card={}, counts=None, samples=None)

    @contextmanager
    def _exactly(self) -> Iterator[None]:
        """Eval mode, no gradients, exact arithmetic; the mode is as it was afterwards."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad(), exact_arithmetic(self.device):
                yield
        finally:
            self.train(training)

    def _learn(self, signal: Tensor, lengths: Tensor | None) -> Reconstruction:
        size = tuple(signal.shape[2:])
        kept = self.encoder.kept(signal)
        cells = self._valid(lengths) if kept is None else kept[:, None]
        mask = self._mask(cells, self._grid(size))
        # Once, and not in the quantizer: what looks at the latent is then to look at the one that codes are made of.
        latent = full_precision(self.encoder(signal, lengths))
        quantized = self.quantizer(latent, mask)
        if self.decoder.tokens is None:
            decoded, likelihood = self.decoder.learn(quantized.z_q, cells)
        else:
            decoded, likelihood = self._decoded(quantized.z_q, cells, size, lengths), None
        cut = self._inside(size)
        decoded, likelihood = decoded[cut], None if likelihood is None else likelihood[cut]
        if lengths is not None:
            decoded = decoded * valid_mask(lengths, tuple(signal.shape[2:]))
        return Reconstruction(signal=decoded, quantized=quantized, latent=latent, mask=mask, likelihood=likelihood)

    def _grid(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Of the latent of a signal of this size."""
        tokens = self.encoder.tokens
        return grid_size(size, self.encoder.stride, WHOLE, self.lead) if tokens is None else (tokens,)

    def _inside(self, size: tuple[int, ...]) -> tuple[Any, ...]:
        """Where a signal of this size lies in what is decoded to whole cells."""
        lead = self.decoder.lead or (0,) * len(size)
        return (..., *(slice(before, before + n) for before, n in zip(lead, size, strict=True)))

    def _grid_of(self, signal: Tensor, level: int) -> tuple[int, ...]:
        """Of a level of the codes of a batch of signals."""
        grid = self._grid(tuple(signal.shape[2:]))
        return grid_size(grid, (self.quantizer.level_strides[level],) * len(grid), self.shares[level])

    def _valid(self, lengths: Tensor | None) -> Tensor | None:
        """Valid extents of the latents of signals of these lengths; a sequence of tokens is always all valid."""
        if lengths is None or self.encoder.tokens is not None:
            return None
        return grid_lengths(lengths, self.encoder.stride, WHOLE, self.lead)

    def _mask(self, cells: Tensor | None, grid: tuple[int, ...]) -> Tensor | None:
        return None if cells is None else valid_mask(cells, grid)

    def _check_signal(self, signal: Tensor, lengths: Tensor | None) -> None:
        check_signal(signal, lengths, self.encoder.axes, self.encoder.channels, self.value_range)

    def _check_stack(self, stack: TokenStack, lead: Lead | None) -> None:
        own = (self.quantizer.codebook_sizes, self.strides, self.shares, self.encoder.tokens)
        check_stack(stack, *own, lead, self.collapses)

    def _moved(self, piece: Tensor) -> Tensor:
        return piece.to(self.device, torch.float32)

    @property
    def _cells_at_once(self) -> int | None:
        """Cells that are quantized at a time, of a tokenizer that can stream; None: a latent is quantized whole."""
        against = against_streaming(self.encoder, self.quantizer, self.decoder)
        return self.block // self.encoder.stride[0] if against is None else None

    def _codes(self, latent: Tensor) -> tuple[Tensor, ...]:
        cells = self._cells_at_once
        return self.quantizer.encode(latent) if cells is None else coded(self.quantizer, latent, cells)

    def _vectors(self, levels: tuple[Tensor, ...], grid: tuple[int, ...]) -> Tensor:
        cells = self._cells_at_once
        return self.quantizer.decode_levels(levels, grid) if cells is None else vectors(self.quantizer, levels, cells)

    def _quantized(self, latent: Tensor) -> Quantized:
        if self._cells_at_once is None:
            return self.quantizer(latent)
        codes = self._codes(latent)
        return Quantized(z_q=self._vectors(codes, tuple(latent.shape[2:])), codes=codes)

    def _shortened(self, quantized: Quantized, tokens: int | None) -> Quantized:
        """The first tokens of a sequence alone, as decode sees them."""
        if tokens is None:
            return quantized
        have = self.encoder.tokens
        if have is None or not 1 <= tokens <= have or set(self.quantizer.level_strides) - {1}:
            raise ValueError(
                f"cannot reconstruct from the first {tokens} tokens: "
                + ("the latent is a grid that follows from the size" if have is None else f"give 1 to {have}")
            )
        if not quantized.codes:
            return Quantized(z_q=quantized.z_q[:, :, :tokens], codes=())
        codes = tuple(level[:, :tokens].contiguous() for level in quantized.codes)
        return Quantized(z_q=self.quantizer.decode(codes), codes=codes)

    def _decoded(
        self, z_q: Tensor, cells: Tensor | None, size: tuple[int, ...], lengths: Tensor | None
    ) -> Float[Tensor, "b c *s"]:
        """The decoder's signal, to whole cells. cells, lengths: valid extents of z_q and of the signal."""
        if self.decoder.tokens is None:
            return self.decoder(z_q, cells)
        stride = self.decoder.stride
        return self.decoder(
            z_q, cells, grid_size(size, stride), None if lengths is None else grid_lengths(lengths, stride)
        )

    def _sizes(self, signal: Tensor, lengths: Tensor | None) -> list[tuple[int, ...]]:
        if lengths is None:
            return [tuple(signal.shape[2:])] * len(signal)
        return [tuple(int(n) for n in row) for row in lengths]

    def _latents(self, signal: Tensor, lengths: Tensor | None, chunk: tuple[int, ...] | None) -> list[Tensor]:
        """The latent [1, d, *l] of every item, each computed alone."""
        encoder, latents = self.encoder, []
        for item, size in zip(signal.split(1), self._sizes(signal, lengths), strict=True):
            item = item[(..., *(slice(0, n) for n in size))]
            if encoder.causal:
                lead = 0 if encoder.lead is None else encoder.lead[0]
                latents.append(
                    carried(item, lambda piece, memory: encoder.carry_on(self._moved(piece), memory), self.block, lead)
                )
                continue
            spans = spans_of(encoder, grid_size(size, encoder.stride), chunk, self.block)
            if encoder.tokens is not None:
                whole = item.clone(memory_format=torch.contiguous_format)
                latents.append(encoder(self._moved(whole), None))
                continue
            latents.append(
                assemble(
                    item,
                    lambda piece: encoder(self._moved(piece), None),
                    spans,
                    scale_in=encoder.stride,
                    scale_out=(1,) * encoder.axes,
                )
            )
        return latents

    def _decode_latent(self, z_q: Tensor, size: tuple[int, ...], chunk: tuple[int, ...] | None) -> Tensor:
        decoder = self.decoder
        if decoder.causal:
            return carried(z_q, decoder.carry_on, self.block // decoder.stride[0], 0)[self._inside(size)]
        spans = spans_of(decoder, grid_size(size, decoder.stride), chunk, self.block)
        if decoder.tokens is not None:
            signal = self._decoded(z_q.contiguous(), None, size, None)
        else:
            signal = assemble(
                z_q,
                lambda piece: decoder(piece, None),
                spans,
                scale_in=(1,) * decoder.axes,
                scale_out=decoder.stride,
            )
        return signal[(..., *(slice(0, n) for n in size))]

    def _decode_stack(self, stack: TokenStack, chunk: tuple[int, ...] | None) -> Tensor:
        stack = stack.to(self.device)
        signals = []
        for item in range(stack.batch_size):
            z_q, size = self._vectors_of(stack, item)
            signals.append(self._decode_latent(z_q, size, chunk))
        return pad_to(signals, stack.signal_size)

    def _vectors_of(self, stack: TokenStack, item: int) -> tuple[Tensor, tuple[int, ...]]:
        """What the decoder is given of an item, and the size of its signal."""
        own = stack.signal_lengths
        size = stack.signal_size if own is None else tuple(int(n) for n in own[item])
        grid = grid_size(size, self.encoder.stride, WHOLE, self.lead)
        levels = codes_of_item(stack, item, self.quantizer, self.encoder.stride, grid)
        return self._vectors(levels, grid), size
