"""Statistics over the concatenated batch of all processes; the group is asked for at every call."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, distributed


def in_group() -> bool:
    """Whether several processes train together now."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def sum_over_group(x: Tensor) -> Tensor:
    """x summed over all processes, in place; x itself in a single process."""
    if in_group():
        distributed.all_reduce(x)
    return x


def rows_of_group(rows: Float[Tensor, "n d"]) -> tuple[int, int]:
    """(rows of all processes together, number of rows that come before ours)."""
    if not in_group():
        return len(rows), 0
    counts = torch.zeros(distributed.get_world_size(), dtype=torch.int64, device=rows.device)
    counts[distributed.get_rank()] = len(rows)
    distributed.all_reduce(counts)
    return int(counts.sum()), int(counts[: distributed.get_rank()].sum())


def take_rows(rows: Float[Tensor, "n d"], chosen: Int64[Tensor, " m"], offset: int) -> Float[Tensor, "m d"]:
    """The chosen rows of the concatenated batch, the same to the bit on every process.

    Each process fills in the rows it owns and zeros elsewhere; a sum with zeros is exact.
    """
    if not in_group():
        return rows[chosen]
    own = (chosen >= offset) & (chosen < offset + len(rows))
    taken = rows.new_zeros(len(chosen), rows.shape[1])
    taken[own] = rows[chosen[own] - offset]
    distributed.all_reduce(taken)
    return taken


def seeded(seed: Tensor, step: Tensor) -> torch.Generator:
    """A generator that depends on a module's own seed and step count: equal on every process and after a resume."""
    generator = torch.Generator()
    generator.manual_seed((int(seed) * 1_000_003 + int(step)) % 2**63)
    return generator
