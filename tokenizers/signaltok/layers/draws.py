"""Draws that are the same on every process and after a resume, and the place of a process's rows among those of all."""

import torch
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


def seeded(seed: Tensor, step: Tensor) -> torch.Generator:
    """A generator that depends on a module's own seed and step count: equal on every process and after a resume."""
    generator = torch.Generator()
    generator.manual_seed((int(seed) * 1_000_003 + int(step)) % 2**63)
    return generator


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
