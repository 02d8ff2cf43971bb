"""Blocks: cutting a long signal so that every output is computed by the same arithmetic, however it was cut.

The plan of an axis depends on the item's own size and on the recorded block alone: an item no longer than the
block is one block of its own size; a longer one is cut into blocks of exactly that extent that overlap by the
context on either side. A block is moved inwards where it would reach over an end, so it is never padded, and
every position is taken from the one block that is responsible for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Span:
    """On one axis, in cells: compute [start, stop), keep [keep_start, keep_stop)."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def plan(size: int, block: int, context: int, chunk: int | None) -> list[Span]:
    """The spans of an axis of `size` cells; a chunk (in cells) splits what is kept, never what is computed."""
    if size <= block:
        spans = [Span(0, size, 0, size)]
    else:
        core = block - 2 * context
        assert core > 0, f"a block of {block} cells has no room beside a context of {context} on either side"
        spans = []
        for keep in range(0, size, core):
            start = min(max(keep - context, 0), size - block)
            spans.append(Span(start, start + block, keep, min(keep + core, size)))
    if chunk is None:
        return spans
    return [
        Span(span.start, span.stop, max(span.keep_start, first), min(span.keep_stop, first + chunk))
        for first in range(0, size, chunk)
        for span in spans
        if span.keep_start < first + chunk and span.keep_stop > first
    ]


def assemble(
    source: Tensor,
    compute: Callable[[Tensor], Tensor],
    spans: tuple[list[Span], ...],
    scale_in: tuple[int, ...],
    scale_out: tuple[int, ...],
) -> Tensor:
    """Compute source [1, c, *s] span by span and put the kept parts together.

    scale_in and scale_out: source and result positions a cell, per axis. A source that ends inside its last cell
    is handed on as it is; compute completes it.
    """
    result: Tensor | None = None
    for combination in product(*spans):
        taken = source[(..., *_slices([(s.start * f, s.stop * f) for s, f in zip(combination, scale_in, strict=True)]))]
        # A fresh copy has canonical strides: the choice of a convolution's algorithm looks at them.
        piece = compute(taken.clone(memory_format=torch.contiguous_format))
        if result is None:
            cells = [axis[-1].keep_stop for axis in spans]
            extent = [n * f for n, f in zip(cells, scale_out, strict=True)]
            result = piece.new_empty(*piece.shape[:2], *extent)
        inside = [
            ((s.keep_start - s.start) * f, (s.keep_stop - s.start) * f)
            for s, f in zip(combination, scale_out, strict=True)
        ]
        target = [(s.keep_start * f, s.keep_stop * f) for s, f in zip(combination, scale_out, strict=True)]
        result[(..., *_slices(target))] = piece[(..., *_slices(inside))]
    assert result is not None, "an axis has at least one span"
    return result


def _slices(bounds: list[tuple[int, int]]) -> tuple[slice, ...]:
    return tuple(slice(first, last) for first, last in bounds)


def pad_to(items: list[Tensor], size: tuple[int, ...]) -> Tensor:
    """Items [1, ..., *own size] as one batch, zeros at the end of each axis."""
    axes = len(size)
    padded = []
    for item in items:
        amounts = [n - own for n, own in zip(size, item.shape[-axes:], strict=True)]
        padded.append(F.pad(item, [v for n in reversed(amounts) for v in (0, n)]) if any(amounts) else item)
    return torch.cat(padded)
