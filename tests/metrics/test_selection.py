from hypothesis import given
from hypothesis import strategies as st

from signaltok.metrics.selection import SpreadSelection


@given(st.integers(0, 500), st.integers(1, 9))
def test_kept_items_are_few_in_order_and_spread_to_the_end(length, count):
    selection = SpreadSelection(count)
    for item in range(length):
        if selection.wants():
            selection.add(item)
        else:
            selection.skip()
        assert len(selection._kept) < 2 * count
    kept = selection.items()
    assert len(kept) == min(length, count)
    assert kept == sorted(set(kept))
    assert not kept or kept[0] == 0
    if kept and count > 1:
        gaps = [after - before for before, after in zip(kept, [*kept[1:], length], strict=True)]
        assert max(gaps) <= 4 * max(1, length / count)
