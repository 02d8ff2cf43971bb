"""Rows of the concatenated batch of all processes, and draws that are the same on each of them."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.processes import in_group, place, sum_over_group


def rows_of_group(rows: Tensor) -> tuple[int, int]:
    """(length of all processes' rows together, number of rows that come before ours); rows along the first axis."""
    if not in_group():
        return len(rows), 0
    rank, world = place()
    counts = torch.zeros(world, dtype=torch.int64, device=rows.device)
    counts[rank] = len(rows)
    counts = sum_over_group(counts)
    return int(counts.sum()), int(counts[:rank].sum())


def take_rows(rows: Float[Tensor, "n d"], chosen: Int64[Tensor, " m"], offset: int) -> Float[Tensor, "m d"]:
    """The chosen rows of the concatenated batch, the same to the bit on every process.

    Each process fills in the rows it owns and zeros elsewhere; a sum with zeros is exact.
    """
    if not in_group():
        return rows[chosen]
    own = (chosen >= offset) & (chosen < offset + len(rows))
    taken = rows.new_zeros(len(chosen), rows.shape[1])
    taken[own] = rows[chosen[own] - offset]
    return sum_over_group(taken)


def seeded(seed: Tensor, step: Tensor) -> torch.Generator:
    """A generator that depends on a module's own seed and step count: equal on every process and after a resume."""
    generator = torch.Generator()
    generator.manual_seed((int(seed) * 1_000_003 + int(step)) % 2**63)
    return generator


def draw_apart(copied: nn.Module, number: int) -> None:
    """Give the number-th of several copies of a module seeds of its own, for any nesting of copies.

    With equal seeds every level of a residual stack would start from the same rows of the first batch, of which the
    level before has left exactly nothing: all its codes would be zero.
    """
    for name, buffer in copied.named_buffers():
        if name.rpartition(".")[2] == "seed":
            buffer.mul_(1_009).add_(number).remainder_(2**31)


class Draws(nn.Module):
    """Random numbers of a training forward, the same on every process and after a resume.

    Its two tensors are part of every checkpoint. Exported tokenizers do not hold them: who encodes draws nothing.
    """

    seed: Tensor
    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Drawn once: with several processes, Lightning gives all of them the first one's buffers.
        self.register_buffer("seed", torch.randint(2**31, ()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def next(self) -> torch.Generator:
        """The generator of the next training forward."""
        self.steps += 1
        return seeded(self.seed, self.steps)
