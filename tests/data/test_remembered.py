"""Memory of what was made: never another value, never more bytes than allowed."""

import pickle

import torch
from hypothesis import given
from hypothesis import strategies as st

from signaltok.data.remembered import Remembered

SIZE = 4 * 10  # bytes of a tensor below


def tensor(key):
    return torch.full((10,), float(key))


@given(keys=st.lists(st.integers(0, 6), max_size=40), room=st.integers(0, 4))
def test_values_are_those_that_are_made_within_the_limit(keys, room):
    remembered, made = Remembered(limit=room * SIZE), []

    def make(key):
        made.append(key)
        return tensor(key)

    for number, key in enumerate(keys):
        before = len(made)
        assert torch.equal(remembered(key, lambda key=key: make(key)), tensor(key))
        assert remembered.held <= room * SIZE
        last = list(dict.fromkeys(reversed(keys[:number])))[:room]
        assert (len(made) == before) == (key in last)  # of the last `room` keys nothing is made again


def test_what_is_larger_than_the_limit_is_given_and_not_kept():
    remembered = Remembered(limit=SIZE)
    remembered("small", lambda: tensor(1))
    assert torch.equal(remembered("large", lambda: torch.ones(11)), torch.ones(11))
    assert remembered.held == SIZE
    assert torch.equal(remembered("small", lambda: tensor(2)), tensor(1))


def test_another_process_begins_with_nothing():
    remembered = Remembered(limit=SIZE)
    remembered("a", lambda: tensor(1))
    copy = pickle.loads(pickle.dumps(remembered))
    assert (copy.limit, copy.held) == (SIZE, 0)
    assert torch.equal(copy("a", lambda: tensor(2)), tensor(2))
