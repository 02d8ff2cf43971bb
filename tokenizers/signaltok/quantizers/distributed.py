"""Rows of the concatenated batch of all processes, and seeds of copies; the draws themselves are in layers.draws."""

from jaxtyping import Int64, Num
from torch import Tensor, nn

from signaltok.layers.draws import Draws, rows_of_group, seeded
from signaltok.processes import in_group, sum_over_group

__all__ = ["Draws", "draw_apart", "rows_of_group", "seeded", "take_rows"]


def take_rows(rows: Num[Tensor, "n d"], chosen: Int64[Tensor, " m"], offset: int) -> Num[Tensor, "m d"]:
    """The chosen rows of the concatenated batch, the same to the bit on every process.

    Each process fills in the rows it owns and zeros elsewhere; a sum with zeros is exact.
    """
    if not in_group():
        return rows[chosen]
    own = (chosen >= offset) & (chosen < offset + len(rows))
    taken = rows.new_zeros(len(chosen), rows.shape[1])
    taken[own] = rows[chosen[own] - offset]
    return sum_over_group(taken)


def draw_apart(copied: nn.Module, number: int) -> None:
    """Give the number-th of several copies of a module seeds of its own, for any nesting of copies.

    With equal seeds every level of a residual stack would start from the same rows of the first batch, of which the
    level before has left exactly nothing: all its codes would be zero.
    """
    for name, buffer in copied.named_buffers():
        if name.rpartition(".")[2] == "seed":
            buffer.mul_(1_009).add_(number).remainder_(2**31)
