"""What a language model costs: bits a token and bits a raw dimension, by stream, beside the entropy of the codes."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from signaltok.language.gpt import GPT
from signaltok.language.token_batch import TokenBatch
from signaltok.language.token_data import TokenSplit
from signaltok.processes import sum_over_group
from signaltok.streams.vocabulary import Vocabulary


class Costs:
    """Bits of the ids of a split, by id and by segment, summed over all processes at the end."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.of_ids = torch.zeros(2, vocabulary.padded_size, dtype=torch.float64)  # bits, counts
        self.of_segments = torch.zeros(2 + len(vocabulary.streams), dtype=torch.float64)

    @torch.no_grad()
    def add(self, model: GPT, batch: TokenBatch) -> None:
        """A batch of windows."""
        _, losses = model.losses(batch.ids, torch.ones_like(batch.ids[:, 1:], dtype=torch.float32))
        bits = (losses / math.log(2)).double().cpu()
        valid = (batch.segments[:, 1:] >= 0).cpu()
        bits, ids, segments = bits[valid], batch.ids[:, 1:].cpu()[valid], batch.segments[:, 1:].cpu()[valid]
        self.of_ids[0] += torch.bincount(ids, weights=bits, minlength=self.of_ids.shape[1])
        self.of_ids[1] += torch.bincount(ids, minlength=self.of_ids.shape[1])
        self.of_segments += torch.bincount(segments, weights=bits, minlength=len(self.of_segments))

    def values(self, split: TokenSplit | None) -> dict[str, float]:
        """By name. split: whose signals the codes stand for; None: without bits a raw dimension.

        bits_per_token: of all ids. bits_per_token_NAME and unigram_NAME: of the text or of a stream's codes; unigram is
        the entropy of the very ids that were predicted, each level's own, which no model without context comes under.
        bits_per_dimension_NAME: all that a stream's blocks cost, headers included, by the values of their signals.
        """
        (bits, counts), segments = sum_over_group(self.of_ids), sum_over_group(self.of_segments)
        if not counts.sum():
            raise ValueError("there is nothing to evaluate: the split gave no ids")
        found = {"bits_per_token": float(bits.sum() / counts.sum())}
        for kind, name in enumerate(("text", *(stream.name for stream in self.vocabulary.streams)), start=1):
            own = [b for b in self.vocabulary.blocks.values() if b.name == name or b.name.startswith(f"{name}/")]
            parts = [slice(block.offset, block.offset + block.size) for block in own]
            seen = sum(float(counts[part].sum()) for part in parts)
            if not seen:
                continue
            found[f"bits_per_token_{name}"] = sum(float(bits[part].sum()) for part in parts) / seen
            found[f"unigram_{name}"] = sum(_entropy(counts[part]) for part in parts) / seen
            dimensions = None if split is None else split.dimensions.get(name)
            if split is not None and dimensions:
                found[f"bits_per_dimension_{name}"] = float(segments[kind]) / seen * split.codes[name] / dimensions
        return found


def evaluate_language(
    model: GPT, batches: Iterable[TokenBatch], vocabulary: Vocabulary, split: TokenSplit | None
) -> dict[str, float]:
    """The costs of all ids of the batches, in eval mode. With several processes each gives its own batches."""
    costs, training = Costs(vocabulary), model.training
    device = model.places.device
    model.eval()
    try:
        for batch in batches:
            costs.add(model, TokenBatch(batch.ids.to(device), batch.segments))
    finally:
        model.train(training)
    return costs.values(split)


def _entropy(counts: Tensor) -> float:
    """Bits of all ids together at the entropy of their histogram."""
    total = counts.sum()
    there = counts[counts > 0]
    return float((there * (total / there).log2()).sum()) if total else 0.0
