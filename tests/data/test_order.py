import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaltok.data.order import EvaluationShare, RunOrder


def _order(start_batch: int = 0, rank: int = 0, world: int = 1, num_batches: int = 6) -> RunOrder:
    return RunOrder(batch_size=3, num_batches=num_batches, start_batch=start_batch, rank=rank, world=world)


def test_batches_are_numbered_samples() -> None:
    assert list(_order(num_batches=2)) == [[0, 1, 2], [3, 4, 5]]


def test_a_resumed_run_sees_what_it_would_have_seen() -> None:
    whole = list(_order())
    for start in range(7):
        resumed = _order(start_batch=start)
        assert list(resumed) == whole[start:]
        assert len(resumed) == 6  # a trainer that resumes counts from the run's first batch


def test_processes_share_out_the_batch_of_one() -> None:
    shares = [list(_order(rank=rank, world=2, start_batch=1)) for rank in range(2)]
    joined = [first + second for first, second in zip(*shares, strict=True)]
    alone = RunOrder(batch_size=6, num_batches=6, start_batch=1, rank=0, world=1)
    assert joined == list(alone)


@given(items=st.integers(0, 40), batch_size=st.integers(1, 7), world=st.integers(1, 6))
def test_evaluation_shares_hold_every_item_once_in_the_batches_of_one(items: int, batch_size: int, world: int) -> None:
    alone = list(EvaluationShare(items=items, batch_size=batch_size, rank=0, world=1))
    assert [item for batch in alone for item in batch] == list(range(items))
    for rank in range(world):
        share = EvaluationShare(items=items, batch_size=batch_size, rank=rank, world=world)
        assert list(share) == alone[rank::world] and len(share) == len(alone[rank::world])


def test_bad_numbers_are_named() -> None:
    with pytest.raises(ValueError, match=r"start_batch is 7; it must lie in 0\.\.6"):
        _order(start_batch=7)
    with pytest.raises(ValueError, match="rank is 2 of 2 processes"):
        _order(rank=2, world=2)
    with pytest.raises(ValueError, match="num_batches 0; both must be 1 or more"):
        _order(num_batches=0)
    with pytest.raises(ValueError, match="rank is 2 of 2 processes"):
        EvaluationShare(items=3, batch_size=1, rank=2, world=2)
    with pytest.raises(ValueError, match="batch_size is 0, at least 1, and items 3"):
        EvaluationShare(items=3, batch_size=0, rank=0, world=1)
