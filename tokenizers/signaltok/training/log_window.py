"""What is summed up between two log entries, in tensors: one hand-over every so many steps keeps logging cheap."""

import math
from typing import Any

import torch
from torch import Tensor, distributed

from signaltok.processes import in_group, sum_over_group


class LogWindow:
    """Means of the terms and usage of the codes over the batches since the last hand-over; survives a resume.

    relative_usage: the least level's share of codes that were hit, against the
    share that as many tokens would hit if all codes were equally likely; None without codes.
    """

    def __init__(self, codebook_sizes: tuple[int, ...]) -> None:
        self.codebook_sizes = codebook_sizes
        self.relative_usage: float | None = None
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._hit: list[Tensor] = []
        self._tokens = [0] * len(codebook_sizes)
        self._batches = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been added since the last hand-over."""
        return self._batches == 0

    def add(
        self,
        values: dict[str, Tensor],
        codes: tuple[Tensor, ...],
        mask: Tensor | None,
        absent: frozenset[str] = frozenset(),
    ) -> None:
        """One batch: scalar values, detached, the codes of each level, and which of them are in use (None: all).

        absent: names of the values that are no values of this batch; where a name is absent throughout, its mean is 0.
        """
        if self.is_empty:
            self._sums = {name: torch.zeros_like(value) for name, value in values.items()}
            self._counts = dict.fromkeys(values, 0)
            self._hit = [
                torch.zeros(size, dtype=torch.bool, device=level.device)
                for size, level in zip(self.codebook_sizes, codes, strict=True)
            ]
        for name, value in values.items():
            if name not in absent:
                self._sums[name] = self._sums[name].to(value.device) + value
                self._counts[name] += 1
        for number, (hit, level) in enumerate(zip(self._hit, codes, strict=True)):
            self._hit[number] = hit.to(level.device)
            if mask is not None and level.shape[1:] == mask.shape[2:]:
                level = level[mask[:, 0]]
            self._hit[number][level.flatten()] = True
            self._tokens[number] += level.numel()
        self._batches += 1

    def hand_over(self) -> dict[str, float]:
        """The means over all processes (and usage, where there are codes), which empties the window."""
        assert not self.is_empty, "nothing was added since the last hand-over"
        processes = distributed.get_world_size() if in_group() else 1
        names = list(self._sums)
        sums = sum_over_group(torch.stack([self._sums[name].float() for name in names]))
        values = {
            name: value / (max(1, self._counts[name]) * processes)
            for name, value in zip(names, sums.double().tolist(), strict=True)
        }
        if self._hit:
            hits = [sum_over_group(hit.to(torch.int32)) for hit in self._hit]
            usage = torch.stack([(hit > 0).float().mean() for hit in hits]).tolist()
            reach = [
                -math.expm1(-tokens * processes / size)
                for tokens, size in zip(self._tokens, self.codebook_sizes, strict=True)
            ]
            values["usage"] = min(usage)
            self.relative_usage = min(u / r for u, r in zip(usage, reach, strict=True))
        self._sums, self._counts, self._hit = {}, {}, []
        self._tokens, self._batches = [0] * len(self.codebook_sizes), 0
        return values

    def state_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "relative_usage": self.relative_usage,
            "sums": self._sums,
            "counts": self._counts,
            "hit": self._hit,
            "tokens": self._tokens,
            "batches": self._batches,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state_dict."""
        self.relative_usage = state["relative_usage"]
        self._sums, self._hit = state["sums"], state["hit"]
        self._tokens, self._batches = list(state["tokens"]), state["batches"]
        # Checkpoints from before there were absent values have none.
        self._counts = dict(state.get("counts", dict.fromkeys(self._sums, self._batches)))
