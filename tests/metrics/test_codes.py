import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from signaltok.metrics.codes import CodeCounter, entropy_bits, summarize_counts
from signaltok.types.token_stack import TokenStack, grid_lengths


def stack(levels, sizes, strides, signal_size, lengths=None):
    return TokenStack(
        levels=tuple(levels),
        codebook_sizes=tuple(sizes),
        strides=tuple((s, s) for s in strides),
        signal_size=signal_size,
        lengths=tuple(None if lengths is None else grid_lengths(lengths, (s, s)) for s in strides),
        signal_lengths=lengths,
    )


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
def test_counts_are_those_of_counting_one_by_one(codes):
    counter = CodeCounter((7,))
    for code in codes:
        counter.update(stack([torch.tensor([[[code]]])], [7], [8], (8, 8)))
    assert counter.counts()[0].tolist() == [codes.count(code) for code in range(7)]
    assert counter.counts()[0].dtype == torch.int64


def test_a_book_larger_than_a_window_of_tokens_can_be_used_whole():
    size = 70_000  # a peer's window of the last 65,536 tokens can never read 100 %
    counter = CodeCounter((size,))
    for part in torch.arange(size).split(1000):
        counter.update(stack([part.view(1, 10, 100)], [size], [8], (80, 800)))
    found = counter.summary(size * 64)
    assert found["usage"] == 1.0 and found["dead"] == 0.0 and found["tokens"] == size
    assert found["perplexity"] == pytest.approx(size)


def test_padding_is_not_counted():
    lengths = torch.tensor([[16, 16], [9, 8]])
    level = torch.zeros(2, 2, 2, dtype=torch.int64)
    level[1] = torch.tensor([[1, 3], [2, 3]])
    counter = CodeCounter((4,))
    counter.update(stack([level], [4], [8], (16, 16), lengths))
    assert counter.counts()[0].tolist() == [4, 1, 1, 0]


def test_even_use_has_closed_forms():
    counts = (torch.full((16,), 5),)
    values = summarize_counts(counts, signal_positions=80 * 64)
    assert values["usage"] == 1 and values["dead"] == 0 and values["tokens"] == 80
    assert values["entropy"] == pytest.approx(4) and values["perplexity"] == pytest.approx(16)
    assert values["bits_per_pixel"] == pytest.approx(4 / 64) == values["entropy_bits_per_pixel"]


def test_a_stack_is_as_good_as_its_worst_level_and_pays_for_all():
    even, lame = torch.full((8,), 6), torch.tensor([12, 0, 0, 0])
    values = summarize_counts((even, lame), signal_positions=480)
    assert (values["usage"], values["usage_0"], values["usage_1"]) == (0.25, 1.0, 0.25)
    assert (values["perplexity_0"], values["perplexity"]) == (pytest.approx(8), 1)
    assert (values["dead"], values["dead_0"], values["dead_1"]) == (3, 0, 3)
    assert values["tokens"] == 60
    assert values["entropy"] == pytest.approx((48 * 3 + 12 * 0) / 60)
    assert values["bits_per_pixel"] == pytest.approx((48 * 3 + 12 * 2) / 480)
    assert values["entropy_bits_per_pixel"] == pytest.approx(48 * 3 / 480)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=40).filter(any))
def test_entropy_is_the_definition_and_at_most_log2(counts):
    total = sum(counts)
    expected = -sum(n / total * math.log2(n / total) for n in counts if n)
    found = entropy_bits(torch.tensor(counts))
    assert found == pytest.approx(expected, abs=1e-9)
    assert 0 <= found <= math.log2(len(counts)) + 1e-9


def test_large_counts_stay_exact():
    counter = CodeCounter((2,))
    counter._counts[0] += 2**53
    counter.update(stack([torch.zeros(1, 1, 1, dtype=torch.int64)], [2], [8], (8, 8)))
    assert counter.counts()[0][0].item() == 2**53 + 1


def test_foreign_codes_are_refused():
    counter = CodeCounter((4,))
    with pytest.raises(ValueError, match="this counter"):
        counter.update(stack([torch.zeros(1, 1, 1, dtype=torch.int64)], [5], [8], (8, 8)))
    with pytest.raises(ValueError, match="codes from 0 to 4"):
        counter.update(stack([torch.tensor([[[0, 4]]])], [4], [8], (8, 16)))
    with pytest.raises(ValueError, match="no tokens"):
        counter.summary(64)
