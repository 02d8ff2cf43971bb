"""Which evaluation batches a process gets."""

from types import SimpleNamespace
from typing import Any

import pytest

from signaltok.training.data_module import RunData


class Numbers:
    """A data set of seven batches, shared out as ImageData does."""

    def eval_loader(self, split: str, *, rank: int, world: int) -> list[int]:
        return list(range(7))[rank::world]


def batches(limit: int | None, place: tuple[int, int] | None) -> list[Any]:
    data: Any = Numbers()
    run = RunData(data=data, seed=0, num_batches=1, repeat_batches=None, limit_eval_batches=limit)
    if place is not None:
        trainer: Any = SimpleNamespace(global_rank=place[0], world_size=place[1])
        run.trainer = trainer
    return list(run.eval_batches("test"))


@pytest.mark.parametrize("limit", [None, 1, 2, 3, 6, 9])
@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_shares_are_together_what_one_process_evaluates(limit: int | None, world: int) -> None:
    alone = batches(limit, None)
    assert alone == list(range(7))[:limit]
    assert [batches(limit, (rank, world)) for rank in range(world)] == [alone[rank::world] for rank in range(world)]
