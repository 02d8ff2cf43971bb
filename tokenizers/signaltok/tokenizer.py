"""Tokenizer: encoder, quantizer and decoder as one plain module, and the exact path from signals to codes and back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.artifact.write import write_tokenizer
from signaltok.blocks import Span, assemble, pad_to, plan
from signaltok.exactness import exact_arithmetic
from signaltok.parts import Decoder, Encoder, Part, Quantizer
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import WHOLE, Share, TokenStack, grid_lengths, grid_size, valid_mask

RANGE_TOLERANCE = 1e-2  # of the width of the value range: resampling overshoots a little, wrong units by far


class Tokenizer(Part, nn.Module):
    """encoder -> quantizer -> decoder.

    value_range: (low, high) of the signals. block: extent per axis, in signal positions, of the blocks in which
    parts with a finite receptive field compute items longer than it; recorded with an exported tokenizer, because
    codes are exact for one block size. sample_rate: positions a second, None where signals have none. In training mode
    forward is one batched pass; in eval mode it is decode of encode, item by item, so that an item's codes depend on
    nothing but the item.
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
        self._check_parts()

    def _check_parts(self) -> None:
        encoder, decoder = self.encoder, self.decoder
        for name in ("axes", "channels", "stride", "latent_dim", "tokens"):
            ours, theirs = getattr(encoder, name), getattr(decoder, name)
            if ours != theirs:
                raise ValueError(f"encoder and decoder disagree: {name} is {ours} and {theirs}; give both the same")
        if self.quantizer.latent_dim != encoder.latent_dim:
            raise ValueError(
                f"quantizer.latent_dim is {self.quantizer.latent_dim}, but the encoder's latent has "
                f"{encoder.latent_dim} channels; set quantizer.latent_dim to encoder.latent_dim"
            )
        coarser = set(self.quantizer.level_strides) - {1} or any(share != WHOLE for share in self.shares)
        if encoder.tokens is not None and coarser:
            raise ValueError(
                f"the encoder gives a sequence of {encoder.tokens} tokens, but {type(self.quantizer).__name__} works "
                "on coarser grids of a picture too; choose another quantizer, or encoder=conv decoder=conv"
            )
        low, high = self.value_range
        if not low < high:
            raise ValueError(f"value_range must be (low, high) with low < high, got {self.value_range}")
        for axis, stride in enumerate(encoder.stride):
            context = max(self._context(encoder)[axis], self._context(decoder)[axis])
            if self.block % stride or self.block // stride <= 2 * context:
                raise ValueError(
                    f"block {self.block} must be a multiple of the stride {stride} and longer than the context of "
                    f"{context} cells on either side; {(2 * context + max(2, context)) * stride} would do"
                )

    def _context(self, part: Encoder | Decoder) -> tuple[int, ...]:
        """Cells that an output of the part looks at on either side; zeros where it computes an item whole."""
        if part.receptive_field is None:
            return (0,) * part.axes
        if isinstance(part, Encoder):
            return grid_size(part.receptive_field, part.stride)
        return part.receptive_field

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.encoder.parameters()).device

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
            latents = self._latents(signal, lengths, self._cells(chunk))
            codes = [self.quantizer.encode(latent) for latent in latents]
        levels = tuple(
            pad_to(list(level), self._grid_of(signal, n)) for n, level in enumerate(zip(*codes, strict=True))
        )
        return self.stack(levels, tuple(signal.shape[2:]), lengths)

    def decode(self, stack: TokenStack, chunk: int | tuple[int, ...] | None = None) -> Float[Tensor, "b c *s"]:
        """Signals of stack.signal_size, zero beyond each item's length. chunk as for encode.

        Fewer levels than the quantizer has are decoded where the quantizer can. Where the encoder makes a sequence of
        tokens, fewer of them decode too: decode(encode(signal).shortened(16)). Raises ValueError for codes that are
        not this tokenizer's.
        """
        self._check_stack(stack)
        with self._exactly():
            return self._decode_stack(stack, self._cells(chunk))

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
            quantized = [self._shortened(self.quantizer(latent), tokens) for latent in latents]
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
    ) -> TokenStack:
        """The codes of this tokenizer's levels for signals of this size, with all that decode needs to know."""
        sequence = self.encoder.tokens is not None
        return TokenStack(
            levels=levels,
            codebook_sizes=self.quantizer.codebook_sizes,
            strides=self.strides,
            signal_size=signal_size,
            lengths=tuple(
                None if lengths is None or sequence else grid_lengths(lengths, stride, share)
                for stride, share in zip(self.strides, self.shares, strict=True)
            ),
            signal_lengths=lengths,
            shares=self.shares,
            tokens=self.encoder.tokens if tokens is None else tokens,
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
        latent = self.encoder(signal, lengths)
        quantized = self.quantizer(latent, mask)
        if self.decoder.tokens is None:
            decoded, likelihood = self.decoder.learn(quantized.z_q, cells)
        else:
            decoded, likelihood = self._decoded(quantized.z_q, cells, size, lengths), None
        cut = (..., *(slice(0, n) for n in size))
        decoded, likelihood = decoded[cut], None if likelihood is None else likelihood[cut]
        if lengths is not None:
            decoded = decoded * valid_mask(lengths, tuple(signal.shape[2:]))
        return Reconstruction(signal=decoded, quantized=quantized, latent=latent, mask=mask, likelihood=likelihood)

    def _grid(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Of the latent of a signal of this size."""
        tokens = self.encoder.tokens
        return grid_size(size, self.encoder.stride) if tokens is None else (tokens,)

    def _grid_of(self, signal: Tensor, level: int) -> tuple[int, ...]:
        """Of a level of the codes of a batch of signals."""
        grid = self._grid(tuple(signal.shape[2:]))
        return grid_size(grid, (self.quantizer.level_strides[level],) * len(grid), self.shares[level])

    def _valid(self, lengths: Tensor | None) -> Tensor | None:
        """Valid extents of the latents of signals of these lengths; a sequence of tokens is always all valid."""
        if lengths is None or self.encoder.tokens is not None:
            return None
        return grid_lengths(lengths, self.encoder.stride)

    def _mask(self, cells: Tensor | None, grid: tuple[int, ...]) -> Tensor | None:
        return None if cells is None else valid_mask(cells, grid)

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
            spans = self._spans(encoder, grid_size(size, encoder.stride), chunk)
            if encoder.tokens is not None:
                whole = item.clone(memory_format=torch.contiguous_format)
                latents.append(encoder(whole.to(self.device, torch.float32), None))
                continue
            latents.append(
                assemble(
                    item,
                    lambda piece: encoder(piece.to(self.device, torch.float32), None),
                    spans,
                    scale_in=encoder.stride,
                    scale_out=(1,) * encoder.axes,
                )
            )
        return latents

    def _decode_latent(self, z_q: Tensor, size: tuple[int, ...], chunk: tuple[int, ...] | None) -> Tensor:
        decoder = self.decoder
        spans = self._spans(decoder, grid_size(size, decoder.stride), chunk)
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
            levels = []
            for level, lengths in zip(stack.levels, stack.lengths, strict=True):
                cells = tuple(level.shape[1:]) if lengths is None else tuple(int(n) for n in lengths[item])
                levels.append(level[(slice(item, item + 1), *(slice(0, n) for n in cells))].contiguous())
            own = stack.signal_lengths
            size = stack.signal_size if own is None else tuple(int(n) for n in own[item])
            z_q = self.quantizer.decode_levels(tuple(levels), grid_size(size, self.encoder.stride))
            signals.append(self._decode_latent(z_q, size, chunk))
        return pad_to(signals, stack.signal_size)

    def _spans(
        self, part: Encoder | Decoder, cells: tuple[int, ...], chunk: tuple[int, ...] | None
    ) -> tuple[list[Span], ...]:
        if part.receptive_field is None:
            if chunk is not None:
                raise ValueError(
                    f"{type(part).__name__} looks at the whole signal (receptive_field is None), so it cannot be "
                    "computed in chunks; leave chunk out"
                )
            return tuple(plan(n, n, 0, None) for n in cells)
        sizes = [self.block // step for step in part.stride]
        pieces = (None,) * part.axes if chunk is None else chunk
        context = self._context(part)
        return tuple(plan(n, b, k, c) for n, b, k, c in zip(cells, sizes, context, pieces, strict=True))

    def _cells(self, chunk: int | tuple[int, ...] | None) -> tuple[int, ...] | None:
        if chunk is None:
            return None
        extents = (chunk,) * self.encoder.axes if isinstance(chunk, int) else tuple(chunk)
        stride = self.encoder.stride
        if len(extents) != len(stride) or any(n <= 0 or n % step for n, step in zip(extents, stride, strict=False)):
            raise ValueError(f"chunk must be a positive multiple of the stride {stride} on each axis, got {chunk}")
        return tuple(n // step for n, step in zip(extents, stride, strict=True))

    def _check_signal(self, signal: Tensor, lengths: Tensor | None) -> None:
        axes, channels = self.encoder.axes, self.encoder.channels
        if signal.ndim != axes + 2 or signal.shape[1] != channels:
            raise ValueError(
                f"signal must have shape [batch, {channels}, {', '.join(['size'] * axes)}], got {tuple(signal.shape)}; "
                "a single item needs a batch axis: signal[None]"
            )
        if not signal.is_floating_point() or 0 in signal.shape:
            raise ValueError(f"signal must be a non-empty float tensor, got {signal.dtype} {tuple(signal.shape)}")
        low, high = self.value_range
        least, most = (float(v) for v in torch.aminmax(signal))
        slack = RANGE_TOLERANCE * (high - low)
        if not (low - slack <= least and most <= high + slack):
            raise ValueError(
                f"signal has values from {least:g} to {most:g}, but this tokenizer reads {low:g} to {high:g}; "
                "signaltok.read_image and read_audio give signals in that range"
            )
        if lengths is None:
            return
        if tuple(lengths.shape) != (len(signal), axes) or lengths.dtype != torch.int64:
            raise ValueError(
                f"lengths must be int64 [{len(signal)}, {axes}], got {lengths.dtype} {tuple(lengths.shape)}"
            )
        if bool((lengths < 1).any()) or bool((lengths > lengths.new_tensor(signal.shape[2:])).any()):
            raise ValueError(f"lengths must lie in 1 to {tuple(signal.shape[2:])}, got {lengths.tolist()}")

    def _check_stack(self, stack: TokenStack) -> None:
        count, sizes = len(stack.levels), self.quantizer.codebook_sizes
        theirs = (stack.codebook_sizes, stack.strides, stack.shares)
        if not count or theirs != (sizes[:count], self.strides[:count], self.shares[:count]):
            raise ValueError(
                f"the codes have codebook sizes, strides and shares {theirs}, but this "
                f"tokenizer has {(sizes, self.strides, self.shares)}: they come from another tokenizer"
            )
        have = self.encoder.tokens
        if (stack.tokens is None) != (have is None) or (have is not None and (stack.tokens or 0) > have):
            raise ValueError(
                f"the codes are over {stack.tokens} tokens, this tokenizer's over {have} (None: a grid of the size of "
                "the signal): they come from another tokenizer"
            )
        stack.check_range()
