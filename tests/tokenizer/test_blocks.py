"""Every cell is kept once, has its context, and is computed by a block that depends on the item's size alone."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from signaltok.blocks import assemble, plan


@st.composite
def axes(draw: st.DrawFn) -> tuple[int, int, int, int | None]:
    context = draw(st.integers(0, 4))
    block = draw(st.integers(2 * context + 1, 2 * context + 9))
    return draw(st.integers(1, 70)), block, context, draw(st.none() | st.integers(1, 40))


@given(axes())
def test_spans_keep_every_cell_once_with_its_context(axis):
    size, block, context, chunk = axis
    spans = plan(size, block, context, chunk)
    kept = [cell for span in spans for cell in range(span.keep_start, span.keep_stop)]
    assert kept == list(range(size))
    for span in spans:
        assert span.stop - span.start == min(size, block)
        assert span.start == 0 or span.keep_start - span.start >= context
        assert span.stop == size or span.stop - span.keep_stop >= context


@given(axes())
def test_a_chunk_changes_no_block(axis):
    size, block, context, chunk = axis
    whole = {(span.start, span.stop) for span in plan(size, block, context, None)}
    assert {(span.start, span.stop) for span in plan(size, block, context, chunk)} <= whole


def test_assembled_convolution_is_the_whole_convolution():
    torch.manual_seed(0)
    signal, kernel = torch.randn(1, 2, 37, 23, dtype=torch.float64), torch.randn(3, 2, 5, 5, dtype=torch.float64)

    def compute(piece):
        return F.conv2d(piece, kernel, padding=2)

    spans = (plan(37, 9, 2, None), plan(23, 11, 2, 4))
    pieces = assemble(signal, compute, spans, scale_in=(1, 1), scale_out=(1, 1))
    torch.testing.assert_close(pieces, compute(signal), rtol=0, atol=1e-12)
