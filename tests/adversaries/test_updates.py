from itertools import pairwise

import pytest
import torch

from signaltok.adversaries.updates import EveryStep, RandomSteps


def test_every_nth_step():
    assert [step for step in range(10) if EveryStep(every=3).due(step)] == [0, 3, 6, 9]
    assert all(EveryStep(every=1).due(step) for step in range(10))


def test_a_share_of_the_steps_that_the_seed_and_the_step_alone_decide():
    rule = RandomSteps(probability=2 / 3)
    due = [rule.due(step) for step in range(3000)]
    assert abs(sum(due) / 3000 - 2 / 3) < 4 * (2 / 9 / 3000) ** 0.5
    pairs = sum(one and two for one, two in pairwise(due)) / 2999
    assert abs(pairs - 4 / 9) < 0.05, "steps that follow one another are independent"
    torch.manual_seed(99)
    again = RandomSteps(probability=2 / 3)
    assert [again.due(step) for step in range(100)] != due[:100]
    again.load_state_dict(rule.state_dict())
    assert [again.due(step) for step in reversed(range(100))] == due[:100][::-1]
    assert all(RandomSteps(probability=1.0).due(step) for step in range(50))


def test_impossible_values_are_named():
    with pytest.raises(ValueError, match=r"every is 0"):
        EveryStep(every=0)
    for probability in (0.0, 1.5):
        with pytest.raises(ValueError, match=rf"probability is {probability}"):
            RandomSteps(probability=probability)
