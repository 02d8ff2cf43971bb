"""How many tokens an item keeps: the choices, their shares, and draws that a resume goes on with."""

import copy

import pytest
import torch

from signaltok.layers.tail import TailDrop


@pytest.mark.parametrize(
    ("least", "lengths", "tokens", "choices"),
    [
        (8, "powers_of_two", 64, [8, 16, 32, 64]),
        (3, "powers_of_two", 32, [3, 6, 12, 24, 32]),
        (5, "powers_of_two", 5, [5]),
        (30, "uniform", 32, [30, 31, 32]),
    ],
)
def test_choices_are_ascending_and_end_with_all(least, lengths, tokens, choices):
    assert TailDrop(least=least, lengths=lengths).choices(tokens) == choices


def test_every_choice_is_as_likely_and_items_differ():
    drop = TailDrop(least=8, lengths="powers_of_two")
    kept = drop.kept(torch.zeros(4000, 1), 64)
    values, counts = kept.unique(return_counts=True)
    assert values.tolist() == [8, 16, 32, 64]
    assert counts.min() > 850  # of 1000 expected; five standard deviations are 137


def test_a_resume_goes_on_with_the_draws_and_the_global_state_is_left_alone():
    drop, items = TailDrop(least=1, lengths="uniform"), torch.zeros(16, 1)
    drop.kept(items, 64)
    later = copy.deepcopy(drop.state_dict())
    random = torch.get_rng_state()
    following = drop.kept(items, 64)
    assert torch.equal(torch.get_rng_state(), random)
    resumed = TailDrop(least=1, lengths="uniform")
    resumed.load_state_dict(later)
    assert torch.equal(resumed.kept(items, 64), following)
    assert not torch.equal(drop.kept(items, 64), following)


@pytest.mark.parametrize(
    ("least", "lengths", "message"), [(0, "uniform", "at least 1 token, got 0"), (1, "half", "one of .*'half'")]
)
def test_wrong_arguments_are_named(least, lengths, message):
    with pytest.raises(ValueError, match=message):
        TailDrop(least=least, lengths=lengths)
    with pytest.raises(ValueError, match=r"least is 9, but there are 8 tokens; set tail_drop\.least lower"):
        TailDrop(least=9, lengths="uniform").choices(8)
