"""Purities and PNMI against closed forms, and the baseline of shuffled codes."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from signaltok.metrics.units import joint_counts, shuffled, unit_quality


def test_a_table_by_hand():
    phones, codes = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 0, 1, 1, 1, 1])
    counts = joint_counts(phones, codes, 3, 4)
    assert counts.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0]]
    found = unit_quality(counts)
    assert found.phone_purity == pytest.approx((2 + 2) / 6) and found.cluster_purity == pytest.approx((2 + 2 + 1) / 6)
    of_phone = -(1 / 2 * math.log(1 / 2) + 1 / 3 * math.log(1 / 3) + 1 / 6 * math.log(1 / 6))
    # Given code 0 the phone is certain; given code 1, of 4 moments, it is 0, 1, 1 or 2.
    given_code = 4 / 6 * (2 * 1 / 4 * math.log(4) + 1 / 2 * math.log(2))
    assert found.pnmi == pytest.approx(1 - given_code / of_phone)


def test_codes_that_are_the_phones_tell_all_and_one_code_tells_nothing():
    phones = torch.tensor([0, 1, 2, 1, 0, 2, 2])
    same = unit_quality(joint_counts(phones, 2 - phones, 3, 3))
    assert same.phone_purity == same.cluster_purity == 1 and same.pnmi == pytest.approx(1)
    one = unit_quality(joint_counts(phones, torch.zeros_like(phones), 3, 3))
    assert one.pnmi == pytest.approx(0, abs=1e-12) and one.phone_purity == pytest.approx(3 / 7)
    assert one.cluster_purity == 1


def test_two_codes_a_phone_cost_cluster_purity_alone():
    phones = torch.arange(400) % 4
    found = unit_quality(joint_counts(phones, 2 * phones + torch.arange(400) // 200, 4, 8))
    assert found.phone_purity == 1 and found.pnmi == pytest.approx(1) and found.cluster_purity == pytest.approx(0.5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=2, max_size=60), st.integers(0, 99))
def test_bounds_and_names_that_do_not_matter(pairs, seed):
    phones, codes = torch.tensor(pairs).unbind(1)
    assume(len(phones.unique()) > 1)
    found = unit_quality(joint_counts(phones, codes, 5, 7))
    assert 0 <= found.pnmi <= 1 + 1e-9 and max(torch.bincount(phones)) / len(phones) <= found.phone_purity <= 1
    renamed = torch.randperm(7, generator=torch.Generator().manual_seed(seed))[codes]
    other = unit_quality(joint_counts(phones, renamed, 5, 7))
    assert other.phone_purity == pytest.approx(found.phone_purity) and other.pnmi == pytest.approx(found.pnmi)


def test_shuffled_codes_say_next_to_nothing_and_more_of_them_say_more():
    phones = torch.arange(6000) % 5
    told = unit_quality(joint_counts(phones, phones, 5, 500)).pnmi
    few, many = (shuffled(phones, torch.arange(6000) // 5 % size, 5, size, seed=0).pnmi for size in (5, 500))
    assert told == pytest.approx(1) and few < 0.01 < many < 0.4
    # The bias of Miller and Madow: (phones - 1) (codes - 1) / 2N nats of the log 5 that there are.
    assert many == pytest.approx(4 * 499 / (2 * 6000) / math.log(5), rel=0.2)
    assert shuffled(phones, phones, 5, 5, seed=0) == shuffled(phones, phones, 5, 5, seed=0)


def test_what_cannot_be_is_named():
    with pytest.raises(ValueError, match="codes go from 0 to 3; there are 3"):
        joint_counts(torch.tensor([0, 1]), torch.tensor([0, 3]), 2, 3)
    with pytest.raises(ValueError, match="2 phones and 1 codes"):
        joint_counts(torch.tensor([0, 1]), torch.tensor([0]), 2, 3)
    with pytest.raises(ValueError, match="2 moments with 1 phones"):
        unit_quality(joint_counts(torch.tensor([1, 1]), torch.tensor([0, 1]), 2, 2))
    with pytest.raises(ValueError, match="0 moments with 0 phones"):
        unit_quality(torch.zeros(2, 2, dtype=torch.int64))
