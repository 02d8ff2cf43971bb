"""Information between codebooks against its closed forms."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signaltok.metrics import joint_codes
from signaltok.metrics.joint_codes import NAMES, TupleCounter, on_one_grid
from signaltok.types.token_stack import TokenStack, grid_lengths

MUTUAL, JOINT = NAMES


def stack(*levels: torch.Tensor, size: int = 64, strides: tuple[int, ...] | None = None, lengths=None) -> TokenStack:
    strides = (1,) * len(levels) if strides is None else strides
    return TokenStack(
        levels=levels,
        codebook_sizes=(size,) * len(levels),
        strides=tuple((stride,) for stride in strides),
        signal_size=(levels[0].shape[1],),
        lengths=tuple(None if lengths is None else grid_lengths(lengths, (stride,)) for stride in strides),
        signal_lengths=lengths,
    )


def measured(*stacks: TokenStack) -> dict[str, float]:
    counter = TupleCounter()
    for one in stacks:
        counter.update(one)
    return counter.result()[0]


def test_independent_equal_and_partly_equal_books_have_closed_forms() -> None:
    pairs = torch.tensor(list(itertools.product(range(8), range(4)))).T
    a, b = pairs[:, None]  # every pair once
    assert measured(stack(a, b)) == {MUTUAL: pytest.approx(0), JOINT: pytest.approx(5)}
    assert measured(stack(a, a)) == {MUTUAL: pytest.approx(3), JOINT: pytest.approx(3)}
    # The second says the halves of the first: one bit of three.
    assert measured(stack(a, a // 4)) == {MUTUAL: pytest.approx(1), JOINT: pytest.approx(3)}
    # Of three levels: the mean over pairs, (3 + 0 + 0) / 3; the tuple is the pair.
    assert measured(stack(a, a, b)) == {MUTUAL: pytest.approx(1), JOINT: pytest.approx(5)}
    # What one bit is left in by noise of 1/4: 1 - H(1/4).
    x = torch.tensor([[0] * 4 + [1] * 4])
    y = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 0]])
    noise = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert measured(stack(x, y)) == {MUTUAL: pytest.approx(1 - noise), JOINT: pytest.approx(1 + noise)}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=40), st.integers(1, 7))
def test_batches_of_any_size_give_the_same(tuples, batch) -> None:
    levels = torch.tensor(tuples).T
    whole = measured(stack(*levels[:, None]))
    parts = measured(*(stack(*part[:, None]) for part in levels.split(batch, 1)))
    assert whole == pytest.approx(parts)
    assert whole[JOINT] <= math.log2(len(tuples)) + 1e-9 and whole[MUTUAL] >= 0


def test_padding_is_not_counted() -> None:
    a, b = torch.tensor([[0, 1, 9, 9]]), torch.tensor([[0, 1, 7, 8]])
    padded = stack(a, b, lengths=torch.tensor([[2]]))
    assert measured(padded) == measured(stack(a[:, :2], b[:, :2])) == {MUTUAL: 1, JOINT: 1}


def test_there_is_nothing_to_say_of_one_level_or_of_levels_on_other_grids() -> None:
    codes = torch.arange(4)[None]
    assert measured() == measured(stack(codes)) == measured(stack(codes, codes[:, :2], strides=(1, 2))) == {}
    assert on_one_grid([((2,), (1, 1)), ((2,), (1, 1))]) and not on_one_grid([((2,), (1, 1)), ((2,), (3, 4))])
    assert not on_one_grid([]) and not on_one_grid([((2,), (1, 1))])


def test_memory_is_bounded_and_beyond_it_nothing_is_said(monkeypatch) -> None:
    monkeypatch.setattr(joint_codes, "MOST_TUPLES", 10)
    monkeypatch.setattr(joint_codes, "AT_ONCE", 4)
    counter = TupleCounter()
    for start in range(0, 60, 6):
        codes = torch.arange(start, start + 6)[None] % 9
        counter.update(stack(codes, codes))
        assert sum(map(len, counter._waiting)) <= 16
    assert counter.result()[0] == {MUTUAL: pytest.approx(math.log2(9), abs=0.02), JOINT: pytest.approx(3.17, abs=0.02)}
    counter.update(stack(torch.arange(20)[None], torch.arange(20)[None]))
    counter.update(stack(torch.arange(20)[None], torch.arange(20)[None]))
    assert counter.result() == ({}, {})


def test_the_protocol_says_how_many_positions_and_tuples() -> None:
    counter = TupleCounter()
    counter.update(stack(torch.tensor([[0, 0, 1]]), torch.tensor([[1, 1, 1]])))
    words = counter.result()[1]
    assert words[JOINT] == "plug-in, 3 positions, 2 different tuples of 2 levels, bits"
    assert words[MUTUAL] == f"{words[JOINT]}; mean over 1 pairs of levels"
