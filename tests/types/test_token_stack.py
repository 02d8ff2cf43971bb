"""The rule that turns sizes into grids, with strides and with shares of a stride's grid."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from signaltok.types.token_stack import TokenStack, grid_lengths, grid_size, mask_lengths, valid_mask


def test_sixteen_cells_have_the_grids_of_var() -> None:
    # 1 + 4 + 9 + 16 + 25 + 36 + 64 + 100 + 169 + 256 = 680, the published number of tokens of a 256-pixel picture.
    sides = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
    grids = [grid_size((256, 256), (16, 16), (side, 16)) for side in sides]
    assert grids == [(side, side) for side in sides]
    assert sum(height * width for height, width in grids) == 680


@given(size=st.integers(1, 999), stride=st.integers(1, 32), of=st.integers(1, 16), data=st.data())
def test_a_share_is_taken_of_whole_cells(size: int, stride: int, of: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(1, of))
    cells = -(-size // stride)
    (grid,) = grid_size((size,), (stride,), (kept, of))
    assert (grid - 1) * of < cells * kept <= grid * of
    assert grid_lengths(torch.tensor([[size]]), (stride,), (kept, of)).tolist() == [[grid]]
    assert grid_size((size,), (stride,)) == (cells,)
    if of % kept == 0:
        assert grid == grid_size((size,), (stride * of // kept,))[0]


def test_the_extents_of_a_mask_come_back() -> None:
    for lengths in (torch.tensor([[3], [5]]), torch.tensor([[3, 1], [5, 4]]), torch.tensor([[3, 1, 2], [1, 4, 2]])):
        assert torch.equal(mask_lengths(valid_mask(lengths, (5, 4, 2)[: lengths.shape[1]])), lengths)


def stack(shares, grid=(13, 13)) -> TokenStack:
    return TokenStack(
        levels=(torch.zeros(1, *grid, dtype=torch.int64),),
        codebook_sizes=(8,),
        strides=((16, 16),),
        signal_size=(256, 256),
        lengths=(None,),
        shares=shares,
    )


def test_a_stack_holds_its_grids_against_the_rule() -> None:
    assert stack(((13, 16),)).to("cpu").shares == ((13, 16),)
    assert stack(None, (16, 16)).shares == ((1, 1),)
    with pytest.raises(ValueError, match=r"has grid \(13, 13\).*has \(16, 16\)"):
        stack(None)
    with pytest.raises(ValueError, match=r"has \(12, 12\) \(share 12/16\)"):
        stack(((12, 16),))
    with pytest.raises(ValueError, match="2 shares"):
        stack(((13, 16), (1, 1)))
