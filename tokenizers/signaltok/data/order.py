"""Which samples a run sees, in which batch."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class RunOrder:
    """Batch sampler: batch k of the run holds samples k*B .. k*B + B - 1 of the endless, numbered training set.

    Over `world` processes batch k is the samples k*world*B .. (k+1)*world*B - 1, of which process `rank` takes its
    B in a row. A run that goes on from batch `start_batch` sees what it would have seen without the stop.
    Its length is that of the whole run, wherever it starts: trainers count batches from the run's first.
    """

    def __init__(self, *, batch_size: int, num_batches: int, start_batch: int, rank: int, world: int) -> None:
        if batch_size < 1 or num_batches < 1:
            raise ValueError(f"batch_size is {batch_size} and num_batches {num_batches}; both must be 1 or more")
        if not 0 <= start_batch <= num_batches:
            raise ValueError(f"start_batch is {start_batch}; it must lie in 0..{num_batches}, the batches of the run")
        _check_rank(rank, world)
        self.batch_size = batch_size
        self.num_batches = num_batches
        self.start_batch = start_batch
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        for batch in range(self.start_batch, self.num_batches):
            first = (batch * self.world + self.rank) * self.batch_size
            yield list(range(first, first + self.batch_size))


class EvaluationShare:
    """Batch sampler: the fixed items of a split in batches, of which process `rank` takes every `world`-th.

    Over all processes every item comes exactly once, in the very batches of a single process; the last one may be
    short, and a process has none where there are fewer batches than processes. Each share is spread over the split.
    """

    def __init__(self, *, items: int, batch_size: int, rank: int, world: int) -> None:
        if batch_size < 1 or items < 0:
            raise ValueError(f"batch_size is {batch_size}, at least 1, and items {items}, at least 0")
        _check_rank(rank, world)
        self.items = items
        self.batch_size = batch_size
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        return len(self._starts())

    def __iter__(self) -> Iterator[list[int]]:
        for first in self._starts():
            yield list(range(first, min(first + self.batch_size, self.items)))

    def _starts(self) -> range:
        return range(self.rank * self.batch_size, self.items, self.world * self.batch_size)


def _check_rank(rank: int, world: int) -> None:
    if not 0 <= rank < world:
        raise ValueError(f"rank is {rank} of {world} processes; it must lie in 0..{world - 1}")


class Passes:
    """An endless numbering of `size` places in passes, each pass a permutation of its own, and draws by the number.

    Everything is a function of (seed, number) and of nothing else.
    """

    def __init__(self, *, size: int, seed: int) -> None:
        assert size > 0, size
        self.size = size
        self.seed = seed
        self._orders: dict[int, Tensor] = {}

    def place(self, number: int) -> int:
        """The place that sample `number` stands for."""
        whole_passes, rest = divmod(number, self.size)
        return int(self._order(whole_passes)[rest])

    def substitutes(self, number: int) -> Iterator[int]:
        """The places of sample `number` and of those after it, to the end of its pass and on from its start."""
        whole_passes, rest = divmod(number, self.size)
        for later in range(self.size):
            yield int(self._order(whole_passes)[(rest + later) % self.size])

    @contextmanager
    def drawing(self, number: int) -> Iterator[None]:
        """Torch's processor generator draws for sample `number` inside the block, and is as it was afterwards."""
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed, which would seed the accelerators too, and those are not put back.
            torch.default_generator.manual_seed(self._number("sample", number))
            yield

    def _order(self, whole_passes: int) -> Tensor:
        """The permutation of one pass; the last two are kept, for batches across the border."""
        if whole_passes not in self._orders:
            generator = torch.Generator().manual_seed(self._number("pass", whole_passes))
            self._orders = {k: v for k, v in self._orders.items() if k == whole_passes - 1}
            self._orders[whole_passes] = torch.randperm(self.size, generator=generator)
        return self._orders[whole_passes]

    def _number(self, purpose: str, number: int) -> int:
        text = f"{purpose} {self.seed} {number}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "little")
