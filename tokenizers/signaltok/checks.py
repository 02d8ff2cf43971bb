"""What a tokenizer is asked to do, checked before it is done: each problem a ValueError that says what to do."""

import torch
from torch import Tensor

from signaltok.blocks import Span, plan
from signaltok.parts import Decoder, Encoder, Quantizer
from signaltok.types.token_stack import WHOLE, Lead, TokenStack, grid_size

RANGE_TOLERANCE = 1e-2  # of the width of the value range: resampling overshoots a little, wrong units by far


def context_of(part: Encoder | Decoder) -> tuple[int, ...]:
    """Cells that an output of the part looks at on either side; zeros where it does not compute blocks by a context."""
    if part.receptive_field is None or part.causal:
        return (0,) * part.axes
    if isinstance(part, Encoder):
        return grid_size(part.receptive_field, part.stride)
    return part.receptive_field


def spans_of(
    part: Encoder | Decoder, cells: tuple[int, ...], chunk: tuple[int, ...] | None, block: int
) -> tuple[list[Span], ...]:
    """What a part computes at a time of a latent of so many cells, per axis: blocks, see Tokenizer.

    chunk: cells that are moved at a time. Raises ValueError for one where the part looks at the whole signal.
    """
    if part.receptive_field is None:
        if chunk is not None:
            raise ValueError(
                f"{type(part).__name__} looks at the whole signal (receptive_field is None), so it cannot be "
                "computed in chunks; leave chunk out"
            )
        return tuple(plan(n, n, 0, None) for n in cells)
    sizes = [block // step for step in part.stride]
    pieces = (None,) * part.axes if chunk is None else chunk
    return tuple(plan(n, b, k, c) for n, b, k, c in zip(cells, sizes, context_of(part), pieces, strict=True))


def check_parts(
    encoder: Encoder, quantizer: Quantizer, decoder: Decoder, value_range: tuple[float, float], block: int
) -> None:
    """Raise ValueError where they make no tokenizer."""
    for name in ("axes", "channels", "stride", "latent_dim", "tokens", "lead"):
        ours, theirs = getattr(encoder, name), getattr(decoder, name)
        if ours != theirs:
            raise ValueError(f"encoder and decoder disagree: {name} is {ours} and {theirs}; give both the same")
    if quantizer.latent_dim != encoder.latent_dim:
        raise ValueError(
            f"quantizer.latent_dim is {quantizer.latent_dim}, but the encoder's latent has "
            f"{encoder.latent_dim} channels; set quantizer.latent_dim to encoder.latent_dim"
        )
    coarser = set(quantizer.level_strides) - {1} or any(share != WHOLE for share in quantizer.level_shares)
    if encoder.tokens is not None and coarser:
        raise ValueError(
            f"the encoder gives a sequence of {encoder.tokens} tokens, but {type(quantizer).__name__} works "
            "on coarser grids of a picture too; choose another quantizer, or encoder=conv decoder=conv"
        )
    low, high = value_range
    if not low < high:
        raise ValueError(f"value_range must be (low, high) with low < high, got {value_range}")
    least = max(encoder.least, decoder.least)
    # Causal parts compute blocks along the first axis alone.
    along = encoder.stride[:1] if encoder.causal and decoder.causal else encoder.stride
    for axis, stride in enumerate(along):
        context = max(context_of(encoder)[axis], context_of(decoder)[axis])
        if block % stride or block // stride <= 2 * context:
            raise ValueError(
                f"block {block} must be a multiple of the stride {stride} and longer than the context of "
                f"{context} cells on either side; {(2 * context + max(2, context)) * stride} would do"
            )
        if block // stride < least:
            raise ValueError(
                f"block {block} must hold at least the {least} cells that a causal part's padding by reflection reads; "
                f"{least * stride} would do"
            )


def check_signal(
    signal: Tensor, lengths: Tensor | None, axes: int, channels: int, value_range: tuple[float, float]
) -> None:
    """Raise ValueError for a wrong shape or type, values outside the range or not finite, impossible lengths."""
    if signal.ndim != axes + 2 or signal.shape[1] != channels:
        raise ValueError(
            f"signal must have shape [batch, {channels}, {', '.join(['size'] * axes)}], got {tuple(signal.shape)}; "
            "a single item needs a batch axis: signal[None]"
        )
    if not signal.is_floating_point() or 0 in signal.shape:
        raise ValueError(f"signal must be a non-empty float tensor, got {signal.dtype} {tuple(signal.shape)}")
    low, high = value_range
    least, most = (float(v) for v in torch.aminmax(signal))
    slack = RANGE_TOLERANCE * (high - low)
    if not (low - slack <= least and most <= high + slack):
        raise ValueError(
            f"signal has values from {least:g} to {most:g}, but this tokenizer reads {low:g} to {high:g}; "
            "signaltok.read_image, read_audio and read_video give signals in that range"
        )
    if lengths is None:
        return
    if tuple(lengths.shape) != (len(signal), axes) or lengths.dtype != torch.int64:
        raise ValueError(f"lengths must be int64 [{len(signal)}, {axes}], got {lengths.dtype} {tuple(lengths.shape)}")
    if bool((lengths < 1).any()) or bool((lengths > lengths.new_tensor(signal.shape[2:])).any()):
        raise ValueError(f"lengths must lie in 1 to {tuple(signal.shape[2:])}, got {lengths.tolist()}")


def check_stack(
    stack: TokenStack,
    sizes: tuple[int, ...],
    strides: tuple,
    shares: tuple,
    tokens: int | None,
    lead: Lead | None,
    runs: bool,
) -> None:
    """Raise ValueError for codes that are not of a tokenizer with these codebook sizes, strides, shares and so on.

    runs: whether its one level is of variable length.
    """
    count = len(stack.levels)
    theirs = (stack.codebook_sizes, stack.strides, stack.shares)
    if not count or theirs != (sizes[:count], strides[:count], shares[:count]):
        raise ValueError(
            f"the codes have codebook sizes, strides and shares {theirs}, but this "
            f"tokenizer has {(sizes, strides, shares)}: they come from another tokenizer"
        )
    if (stack.tokens is None) != (tokens is None) or (tokens is not None and (stack.tokens or 0) > tokens):
        raise ValueError(
            f"the codes are over {stack.tokens} tokens, this tokenizer's over {tokens} (None: a grid of the size of "
            "the signal): they come from another tokenizer"
        )
    if stack.lead != lead:
        raise ValueError(
            f"the codes have the lead {stack.lead}, this tokenizer's {lead}: they come from another tokenizer, or are "
            "a piece of a stream, which Tokenizer.stream decodes"
        )
    if runs != any(spans is not None for spans in stack.spans or ()):
        raise ValueError(
            "the codes are a grid, but this tokenizer's tokens have lengths of their own and need their spans"
            if runs
            else "the codes have spans, but this tokenizer's lie on a grid: they come from another tokenizer"
        )
    stack.check_range()


def check_decodes(decoder: Decoder) -> None:
    """Raise ValueError where the decoder gives no signal, saying what it does give."""
    if not decoder.reconstructs:
        raise ValueError(
            "the decoder of this tokenizer gives text and has no waveform; Tokenizer.text(stack) is what was said"
            if decoder.writes
            else "this tokenizer only encodes: it was trained without a decoder, so codes give no signal"
        )


def cells_of_chunk(chunk: int | tuple[int, ...] | None, stride: tuple[int, ...]) -> tuple[int, ...] | None:
    """Cells that are moved at a time. Raises ValueError where chunk is no multiple of the stride on each axis."""
    if chunk is None:
        return None
    extents = (chunk,) * len(stride) if isinstance(chunk, int) else tuple(chunk)
    if len(extents) != len(stride) or any(n <= 0 or n % step for n, step in zip(extents, stride, strict=False)):
        raise ValueError(f"chunk must be a positive multiple of the stride {stride} on each axis, got {chunk}")
    return tuple(n // step for n, step in zip(extents, stride, strict=True))
