"""The table of speech tokens: codes at moments, and probes that a closed form knows."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from speech_tokens import codes_at, spread, told, voice_told

from signaltok.types.token_stack import TokenStack


def stack(level: list[int], spans: list[list[int]] | None = None) -> TokenStack:
    varies = spans is not None
    return TokenStack(
        levels=(torch.tensor([level]),), codebook_sizes=(10,), strides=((4,),), signal_size=(14,), signal_lengths=None,
        lengths=(torch.tensor([[len(level)]]) if varies else None,), spans=(torch.tensor([spans]),) if varies else None,
    )  # fmt: skip


def test_the_code_of_a_moment_is_that_of_its_cell_or_of_the_token_nearest_in_time():
    moments = torch.tensor([0.0, 0.39, 0.4, 1.1, 1.39, 2.0], dtype=torch.float64)
    assert codes_at(stack([5, 6, 7, 8]), 0, moments, 10).tolist() == [5, 5, 6, 7, 8, 8]
    # Tokens at samples 2 to 4 and 10 to 12: between them the nearer one.
    assert codes_at(stack([3, 9], [[2, 4], [10, 12]]), 0, moments * 0.5, 10).tolist() == [3, 3, 3, 3, 3, 9]
    later = torch.tensor([0.69, 0.71, 3.0], dtype=torch.float64)
    assert codes_at(stack([3, 9], [[2, 4], [10, 12]]), 0, later, 10).tolist() == [3, 9, 9]


def test_phones_are_told_by_codes_and_by_nothing_else():
    phones = torch.arange(800) % 4
    held_out = torch.arange(800) >= 400
    assert told(phones, 3 - phones, held_out, 4, 4) == 1.0
    assert told(phones, torch.zeros_like(phones), held_out, 4, 4) == 0.25
    unseen = torch.where(held_out, 9, phones)  # codes of the other half that this one has not
    assert told(phones, unseen, held_out, 4, 10) == 0.25


def test_voices_are_told_where_their_codes_differ():
    voices = torch.arange(3).repeat_interleave(20)
    bags = torch.rand(60, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert voice_told(bags, voices) < 0.75
    bags[torch.arange(60), voices] += 1
    assert voice_told(bags, voices) > 0.95


def test_files_are_spread_over_the_folder():
    keys = [f"{n:02}" for n in range(10)]
    assert spread(keys, 3) == ["00", "03", "06"] and spread(keys, 20) == keys and spread([], 3) == []
    assert spread(keys, 10) == keys and len({*spread(keys, 7)}) == 7


@pytest.mark.parametrize("count", [1, 4, 9])
def test_as_many_as_asked(count):
    assert len(spread([str(n) for n in range(9)], count)) == count
