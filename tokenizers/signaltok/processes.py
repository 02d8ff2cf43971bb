"""The processes that train or evaluate together: sums over them, and means over what they hold together.

The group is asked for at every call, never when something is built: parts exist before it does. In a single process
every function gives back what it was given.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed


def in_group() -> bool:
    """Whether several processes work together now."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def place() -> tuple[int, int]:
    """(rank, number of processes) of this process: (0, 1) where it is alone."""
    return (distributed.get_rank(), distributed.get_world_size()) if in_group() else (0, 1)


def sum_over_group(x: Tensor) -> Tensor:
    """x summed over all processes, equal to the bit on each of them and on the device of x; x itself where alone."""
    if not in_group():
        return x
    # NCCL reduces on the accelerator alone.
    on_accelerator = x.device.type == "cpu" and distributed.get_backend() == "nccl"
    device = torch.device("cuda", torch.cuda.current_device()) if on_accelerator else x.device
    total = x.to(device, copy=True)
    distributed.all_reduce(total)
    return total.to(x.device)


def rows_of_all(x: Float[Tensor, "n d"]) -> Float[Tensor, "m d"]:
    """The rows of all processes, in the order of their ranks; x itself where alone. A process may have none."""
    if not in_group():
        return x
    rank, world = place()
    counts = torch.zeros(world, dtype=torch.int64, device=x.device)
    counts[rank] = len(x)
    counts = sum_over_group(counts)
    before = int(counts[:rank].sum())
    rows = x.new_zeros(int(counts.sum()), x.shape[1])
    rows[before : before + len(x)] = x
    return sum_over_group(rows)


class _Gathered(torch.autograd.Function):
    """rows_of_all with its gradient: what any process makes of a row goes back to the process that the row is from."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        context.first, context.count = rows_before(len(x), x.device), len(x)
        return rows_of_all(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return sum_over_group(gradient)[context.first : context.first + context.count]


class _Total(torch.autograd.Function):
    """sum_over_group with its gradient: what any process makes of the sum is there for each summand."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        del context
        return sum_over_group(x)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        del context
        return sum_over_group(gradient.contiguous())


def total_over_group(x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """sum_over_group, and the gradient goes back through it, summed over what all processes make of the sum."""
    if not in_group():
        return x
    total = _Total.apply(x)
    assert isinstance(total, Tensor)
    return total


def rows_before(count: int, device: torch.device) -> int:
    """How many rows the processes of lower rank have, of which this one has `count`."""
    rank, world = place()
    counts = torch.zeros(world, dtype=torch.int64, device=device)
    counts[rank] = count
    return int(sum_over_group(counts)[:rank].sum())


def gathered(x: Float[Tensor, "n d"]) -> Float[Tensor, "m d"]:
    """rows_of_all, and the gradient goes back through it, summed over what all processes make of a row."""
    gathered_rows = _Gathered.apply(x) if in_group() else x
    assert isinstance(gathered_rows, Tensor)
    return gathered_rows


def part_of_group_mean(mean: Float[Tensor, "*n"], count: int | Tensor) -> Float[Tensor, "*n"]:
    """Turn a mean over this process's own `count` values into its part of the mean over those of all processes.

    Several means at once, each with its count, cost one message.

    The part is mean * count * processes / total. Averaged over the processes, as data parallelism averages gradients,
    the parts are the mean over the concatenated batch, and so are their gradients. Where a process has no values its
    mean must be zero (the sum over nothing), not NaN.
    """
    if not in_group():
        return mean
    own = torch.as_tensor(count, device=mean.device)
    total = sum_over_group(own).clamp_min(1)
    return mean * (own.double() * distributed.get_world_size() / total).to(mean.dtype)
