"""Use of the codes: exact counts over a whole split, and what follows from them.

With p the share of each code among a level's tokens: usage = share of codes that occur, dead = codes that do not,
entropy H = -sum p log2 p in bits a token, perplexity = 2^H.
"""

import math

import torch
from jaxtyping import Int64
from torch import Tensor

from signaltok.processes import sum_over_group
from signaltok.types.token_stack import TokenStack, valid_mask


class CodeCounter:
    """Counts every code of every level. Asks for the process group when counts are read, never before."""

    def __init__(self, codebook_sizes: tuple[int, ...]) -> None:
        self.codebook_sizes = codebook_sizes
        self._counts = [torch.zeros(size, dtype=torch.int64) for size in codebook_sizes]

    def update(self, stack: TokenStack) -> None:
        """Count the codes of a batch, padding left out. Raises ValueError for codes of another codebook."""
        if stack.codebook_sizes != self.codebook_sizes:
            raise ValueError(
                f"the codes have the codebook sizes {stack.codebook_sizes}, this counter {self.codebook_sizes}"
            )
        stack.check_range()
        for number, (level, lengths) in enumerate(zip(stack.levels, stack.lengths, strict=True)):
            if lengths is not None:
                level = level[valid_mask(lengths, tuple(level.shape[1:]))[:, 0]]
            counts = torch.bincount(level.reshape(-1), minlength=self.codebook_sizes[number])
            self._counts[number] = self._counts[number].to(counts.device) + counts

    def counts(self) -> tuple[Int64[Tensor, "_"], ...]:
        """Occurrences of every code, a tensor a level, on the processor; summed over the processes of a group."""
        return tuple(sum_over_group(level).cpu() for level in self._counts)

    def summary(
        self, signal_positions: int, frame_rates: tuple[float, ...] | None = None, may_be_empty: bool = False
    ) -> dict[str, float]:
        """As summarize_counts, with the counts of all processes; signal_positions likewise of all."""
        return summarize_counts(self.counts(), signal_positions, frame_rates, may_be_empty)


def summarize_counts(
    counts: tuple[Int64[Tensor, "_"], ...],
    signal_positions: int,
    frame_rates: tuple[float, ...] | None = None,
    may_be_empty: bool = False,
) -> dict[str, float]:
    """The numbers of a stack of levels, and each level's own under `<name>_<level>`.

    usage, perplexity: the minimum over the levels. dead, tokens: the sum. entropy: bits a token, over all levels.
    Of signals without time: bits_per_pixel: sum over levels of tokens * log2 K, per signal position;
    entropy_bits_per_pixel: with the entropy instead of log2 K, what an ideal coder of single tokens would need.
    With frame_rates, each level's tokens a second: bitrate, the sum over levels of frame rate * log2 K in bits a
    second, and effective_bitrate, with the entropy instead of log2 K. may_be_empty: of levels of variable length, which
    may have no token at all; without it that is a ValueError.
    """
    tokens = [int(level.sum()) for level in counts]
    if not counts or not (may_be_empty or all(tokens)) or signal_positions <= 0:
        raise ValueError(f"no tokens to summarize: {tokens} tokens a level, {signal_positions} signal positions")
    entropy = [entropy_bits(level) for level in counts]
    dead = [int((level == 0).sum()) for level in counts]
    usage = [1 - missing / len(level) for missing, level in zip(dead, counts, strict=True)]
    perplexity = [2**bits for bits in entropy]
    nominal = sum(n * math.log2(len(level)) for n, level in zip(tokens, counts, strict=True))
    ideal = sum(n * bits for n, bits in zip(tokens, entropy, strict=True))
    values = {
        "usage": min(usage),
        "perplexity": min(perplexity),
        "dead": float(sum(dead)),
        "entropy": ideal / max(1, sum(tokens)),
        "tokens": float(sum(tokens)),
    }
    if frame_rates is None:
        values |= {"bits_per_pixel": nominal / signal_positions, "entropy_bits_per_pixel": ideal / signal_positions}
    else:
        sizes = [len(level) for level in counts]
        rates = list(zip(frame_rates, sizes, entropy, strict=True))
        values["bitrate"] = sum(rate * math.log2(size) for rate, size, _ in rates)
        values["effective_bitrate"] = sum(rate * bits for rate, _, bits in rates)
    levels = {"usage": usage, "perplexity": perplexity, "dead": dead, "entropy": entropy}
    for name, numbers in levels.items():
        values |= {f"{name}_{level}": float(number) for level, number in enumerate(numbers)}
    return values


def entropy_bits(counts: Int64[Tensor, " K"]) -> float:
    """-sum p log2 p with p = counts / sum(counts), in bits; 0 where nothing was counted."""
    total = int(counts.sum())
    if total == 0:
        return 0.0
    share = counts[counts > 0].double() / total
    return max(0.0, float(-(share * share.log2()).sum()))
