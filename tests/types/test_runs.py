"""Paths as runs with spans, and back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signaltok.types.runs import collapsed, expanded
from signaltok.types.token_stack import TokenStack

BLANK = 3


def test_equal_neighbours_are_one_token_and_a_blank_parts_them():
    tokens, spans = collapsed(torch.tensor([0, 0, 3, 0, 1, 3, 3, 2]), BLANK, 10, 73)
    assert tokens.tolist() == [0, 0, 1, 2]
    assert spans.tolist() == [[0, 20], [30, 40], [40, 50], [70, 73]]


@settings(max_examples=20, deadline=None)
@given(path=st.lists(st.integers(0, BLANK), min_size=1, max_size=12), stride=st.integers(1, 5), cut=st.integers(0, 4))
def test_a_path_comes_back_from_its_runs(path, stride, cut):
    size = max(len(path) * stride - min(cut, stride - 1), 1)
    tokens, spans = collapsed(torch.tensor(path), BLANK, stride, size)
    assert BLANK not in tokens and (spans[:, 0] < spans[:, 1]).all() and (spans <= size).all()
    assert expanded(tokens, spans, BLANK, stride, len(path)).tolist() == path


@pytest.mark.parametrize(
    "spans", [[[0, 10], [0, 10]], [[10, 10], [20, 30]], [[0, 10], [15, 30]], [[0, 15], [20, 30]], [[0, 10], [30, 50]]]
)
def test_spans_that_are_none_are_refused(spans):
    with pytest.raises(ValueError, match="not those of tokens one after the other on 4 cells of 10"):
        expanded(torch.tensor([0, 1]), torch.tensor(spans), BLANK, 10, 4)


def stack(**changes) -> TokenStack:
    plain = {
        "levels": (torch.tensor([[1, 2], [1, 0]]),),
        "codebook_sizes": (4,),
        "strides": ((10,),),
        "signal_size": (40,),
        "lengths": (torch.tensor([[2], [1]]),),
        "spans": (torch.tensor([[[0, 10], [20, 40]], [[10, 30], [0, 0]]]),),
    }
    return TokenStack(**plain | changes)


def test_a_stack_of_variable_length_says_when_each_token_is():
    first, second = stack().seconds(0, 20)
    assert first.tolist() == [[0, 0.5], [1, 2]] and second.tolist() == [[0.5, 1.5]]
    assert stack().to("cpu").spans[0].equal(stack().spans[0])
    (kept,) = stack().first_levels(1).spans
    assert kept is not None and kept.equal(stack().spans[0])


@pytest.mark.parametrize("changes", [{"lengths": (None,)}, {"spans": (torch.zeros(2, 1, 2, dtype=torch.int64),)}])
def test_a_stack_of_variable_length_needs_lengths_and_a_span_for_each_token(changes):
    with pytest.raises(ValueError, match="level 0 is of variable length: it needs codes"):
        stack(**changes)


def test_a_grid_has_no_spans():
    grid = stack(levels=(torch.zeros(2, 4, dtype=torch.int64),), spans=None, lengths=(None,))
    with pytest.raises(ValueError, match="level 0 is a grid"):
        grid.seconds(0, 20)
