import pytest
import torch

from signaltok.data.collate import Item, check_range, collate
from signaltok.types.batch import Batch


def test_equal_items_are_stacked() -> None:
    items = [Item("a", torch.ones(3, 2, 4)), Item("b", torch.zeros(3, 2, 4))]
    batch = collate(items)
    assert batch.keys == ("a", "b") and batch.lengths is None
    assert torch.equal(batch.signal, torch.stack([item.signal for item in items]))


def test_unequal_items_are_padded_at_the_end_and_measured() -> None:
    batch = collate([Item("a", torch.ones(1, 2, 5)), Item("b", torch.full((1, 4, 3), 2.0))])
    assert batch.signal.shape == (2, 1, 4, 5)
    assert batch.lengths is not None and batch.lengths.dtype == torch.int64
    assert batch.lengths.tolist() == [[2, 5], [4, 3]]
    assert (batch.signal[0, 0, :2] == 1).all() and (batch.signal[1, 0, :, :3] == 2).all()
    assert batch.signal.sum() == 2 * 5 + 2 * 4 * 3


def test_sounds_are_padded_too() -> None:
    assert collate([Item("a", torch.ones(1, 2)), Item("b", torch.ones(1, 5))]).signal.tolist() == [
        [[1.0, 1, 0, 0, 0]],
        [[1.0, 1, 1, 1, 1]],
    ]


def test_a_batch_is_padded_to_a_multiple() -> None:
    items = [Item("a", torch.ones(1, 3)), Item("b", torch.ones(1, 5))]
    assert collate(items, multiple=4).signal.tolist() == [[[1.0] * 3 + [0] * 5], [[1.0] * 5 + [0] * 3]]
    alone = collate(items[:1], multiple=4)
    assert alone.signal.tolist() == [[[1.0, 1, 1, 0]]] and alone.lengths is not None and alone.lengths.tolist() == [[3]]
    assert collate(items[:1], multiple=3).lengths is None


def test_items_that_do_not_go_together_are_named() -> None:
    with pytest.raises(ValueError, match=r"same channels .* got a \(3, 2, 2\), b \(1, 2, 2\)"):
        collate([Item("a", torch.ones(3, 2, 2)), Item("b", torch.ones(1, 2, 2))])
    with pytest.raises(ValueError, match="at least one item"):
        collate([])


def test_values_outside_the_range_are_reported() -> None:
    def batch(*values: float) -> Batch:
        return Batch(signal=torch.tensor(values).view(len(values), 1, 1), keys=tuple("abc"[: len(values)]))

    check_range(batch(-1.0, 0.0, 1.0), (-1.0, 1.0))
    with pytest.raises(ValueError, match=r"lies in 0\.\.255, outside the value range -1\.\.1"):
        check_range(batch(0.0, 255.0), (-1.0, 1.0))
    with pytest.raises(ValueError, match=r"lies in -1\.01\.\.0, outside"):
        check_range(batch(-1.01, 0.0), (-1.0, 1.0))
    with pytest.raises(ValueError, match=r"outside the value range"):
        check_range(batch(0.0, float("inf")), (-1.0, 1.0))
    with pytest.raises(ValueError, match=r"the signal of b holds NaN; repair or remove it"):
        check_range(batch(0.0, float("nan"), 0.5), (-1.0, 1.0))


def test_labels_are_stacked_and_all_items_have_one_or_none_has() -> None:
    labels = collate([Item("a", torch.ones(1, 2), 3), Item("b", torch.ones(1, 5), 0)]).labels
    assert labels is not None and labels.dtype == torch.int64 and labels.tolist() == [3, 0]
    assert collate([Item("a", torch.ones(1, 2))]).labels is None
    with pytest.raises(ValueError, match="of the items a, b some have a label and some do not"):
        collate([Item("a", torch.ones(1, 2), 3), Item("b", torch.ones(1, 2))])
