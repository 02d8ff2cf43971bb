"""What the levels of a stack say together: the entropy of their tuples and the information that pairs of them share.

Where all levels lie on one grid, every position has a tuple of codes (k_1, ..., k_Q). With plug-in entropies H of the
counted tuples, in bits,

    joint_entropy_bits   = H(k_1, ..., k_Q)
    mi_between_codebooks = the mean over pairs a < b of H(k_a) + H(k_b) - H(k_a, k_b): 0 where books are independent.

Of few positions, plug-in entropies are too small and informations too large, by about (tuples in use) / (2 n ln 2):
the protocol says how many positions and tuples there were.
"""

import itertools
from collections.abc import Iterable

import torch
from jaxtyping import Int64
from torch import Tensor

from signaltok.metrics.codes import entropy_bits
from signaltok.processes import in_group, place, sum_over_group
from signaltok.types.token_stack import TokenStack, valid_mask

NAMES = ("mi_between_codebooks", "joint_entropy_bits")
MOST_TUPLES = 1 << 20  # different tuples that are held at most: 72 MB for eight levels
AT_ONCE = 1 << 16  # positions that wait to be counted together

Shape = tuple[tuple[int, ...], tuple[int, int]]


def on_one_grid(shapes: Iterable[Shape]) -> bool:
    """shapes: (stride, share) of each level. Whether there are two levels or more, all of one stride and one share."""
    found = list(shapes)
    return len(found) > 1 and len(set(found)) == 1


class TupleCounter:
    """Counts the tuples of codes of a stack of levels on one grid; does nothing for other stacks.

    Asks for the process group when it is read. Holds at most MOST_TUPLES different tuples: of more, nothing is said,
    as their entropy would be one of the number of positions.
    """

    def __init__(self) -> None:
        self._tuples: Tensor | None = None  # [n, levels + 1], the last column how often
        self._waiting: list[Tensor] = []
        self._overflown = False

    def update(self, stack: TokenStack) -> None:
        """Count the positions of a batch, padding left out."""
        assert stack.shares is not None
        if not on_one_grid(zip(stack.strides, stack.shares, strict=True)) or self._overflown:
            return
        rows = torch.stack(stack.levels, -1)
        lengths = stack.lengths[0]
        if lengths is not None:
            rows = rows[valid_mask(lengths, tuple(rows.shape[1:-1]))[:, 0]]
        rows = rows.reshape(-1, len(stack.levels)).cpu()
        self._waiting.append(torch.cat([rows, rows.new_ones(len(rows), 1)], 1))
        held = 0 if self._tuples is None else len(self._tuples)
        if sum(map(len, self._waiting)) > max(AT_ONCE, held):
            self._count()

    def result(self) -> tuple[dict[str, float], dict[str, str]]:
        """(values, protocols) by NAMES, of all processes; empty where there is nothing to say."""
        self._count()
        tuples = _of_all(None if self._overflown else self._tuples, self._overflown)
        if tuples is None:
            return {}, {}
        *levels, counts = tuples.unbind(1)
        alone = [entropy_bits(_counted(level[:, None], counts)[:, 1]) for level in levels]
        shared = [
            alone[a] + alone[b] - entropy_bits(_counted(tuples[:, [a, b]], counts)[:, 2])
            for a, b in itertools.combinations(range(len(levels)), 2)
        ]
        values = (max(0.0, sum(shared) / len(shared)), entropy_bits(counts))
        seen = f"plug-in, {int(counts.sum())} positions, {len(tuples)} different tuples of {len(levels)} levels, bits"
        words = (f"{seen}; mean over {len(shared)} pairs of levels", seen)
        return dict(zip(NAMES, values, strict=True)), dict(zip(NAMES, words, strict=True))

    def _count(self) -> None:
        """Bring what waits to what is held."""
        held = [] if self._tuples is None else [self._tuples]
        if not self._waiting:
            return
        rows = torch.cat([*held, *self._waiting])
        self._waiting = []
        self._tuples = _counted(rows[:, :-1], rows[:, -1])
        if len(self._tuples) > MOST_TUPLES:
            self._overflown, self._tuples = True, None


def _counted(rows: Int64[Tensor, "n q"], counts: Int64[Tensor, " n"]) -> Int64[Tensor, "m r"]:
    """The different rows, and in one column more the sum of their counts."""
    different, place_of = torch.unique(rows, dim=0, return_inverse=True)
    totals = counts.new_zeros(len(different)).index_add_(0, place_of, counts)
    return torch.cat([different, totals[:, None]], 1)


def _of_all(tuples: Tensor | None, overflown: bool) -> Tensor | None:
    """The tuples of all processes with their counts; None where there are none, or too many somewhere."""
    if in_group():
        rank, world = place()
        about = torch.zeros(3, world, dtype=torch.int64)  # rows, columns, overflown
        about[:, rank] = torch.tensor([*((0, 0) if tuples is None else tuples.shape), int(overflown)])
        about = sum_over_group(about)
        if bool(about[2].any()) or not bool(about[0].any()):
            return None
        rows = torch.zeros(int(about[0].sum()), int(about[1].max()), dtype=torch.int64)
        before = int(about[0, :rank].sum())
        if tuples is not None:
            rows[before : before + len(tuples)] = tuples
        rows = sum_over_group(rows)
        tuples = _counted(rows[:, :-1], rows[:, -1])
    return tuples if tuples is not None and len(tuples) <= MOST_TUPLES else None
