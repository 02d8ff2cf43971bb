"""The rules that a language model on the stream passes, so that it is known that the stream can be learned from.

1 below unigram: on val, every stream costs less than the entropy of its own codes, by a margin.
2 overfit: a fresh model learns a few documents by heart.
3, 4 samples.py: constrained samples parse, and what they decode to is finite and of the size in their header.
5 shuffled control: a fresh model on codes shuffled over the whole split comes under no unigram entropy. If it did,
  ids would leak from the future or from what is measured.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from signaltok.artifact.describe import build, describe
from signaltok.language.evaluation import Costs
from signaltok.language.gpt import GPT
from signaltok.language.made import Made
from signaltok.language.token_batch import TokenBatch
from signaltok.language.token_data import PADDING, TokenData, TokenSplit

BETAS, CLIP = (0.9, 0.99), 1.0


@dataclass(frozen=True)
class Verdict:
    """Whether a rule holds, and the numbers that say so."""

    rule: str
    passed: bool
    words: str


@dataclass(frozen=True)
class Proven:
    """values: by name, without the split's. verdicts: of the rules. made: samples to show."""

    values: dict[str, float] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    made: tuple[Made, ...] = ()


class Proof(ABC):
    """One of the checks that a run of a language model ends with."""

    @abstractmethod
    def prove(self, model: GPT, data: TokenData, values: dict[str, float], *, seed: int) -> Proven:
        """model: the trained one, in eval mode. values: of the val split, as of Costs.values."""


class BelowUnigram(Proof):
    """Rule 1. margin: bits a token."""

    def __init__(self, *, margin: float) -> None:
        self.margin = _positive("margin", margin)

    def prove(self, model: GPT, data: TokenData, values: dict[str, float], *, seed: int) -> Proven:
        """Of each stream of the val split."""
        del model, data, seed
        pairs = costs_and_unigrams(values)
        passed = all(cost < unigram - self.margin for cost, unigram in pairs.values())
        return Proven(verdicts=(Verdict("below unigram", passed, f"val, margin {self.margin:g}: {words(pairs)}"),))


class Overfit(Proof):
    """Rule 2. A fresh model learns the first context + 1 ids of so many documents, evenly of all streams."""

    def __init__(self, *, documents: int, steps: int, learning_rate: float, most_bits: float) -> None:
        self.documents, self.steps = _whole("documents", documents), _whole("steps", steps)
        self.learning_rate, self.most_bits = _positive("learning_rate", learning_rate), most_bits

    def prove(self, model: GPT, data: TokenData, values: dict[str, float], *, seed: int) -> Proven:
        """The cost of the very ids that were learned."""
        del values
        batch = self.chosen(data)
        fresh = fresh_model(model, seed)
        train(fresh, lambda _: batch, steps=self.steps, learning_rate=self.learning_rate)
        costs = Costs(data.vocabulary)
        costs.add(fresh.eval(), batch)
        bits = costs.values(None)["bits_per_token"]
        told = f"{bits:.4f} bits a token of {len(batch.ids)} documents, at most {self.most_bits:g}"
        return Proven({"overfit_bits": bits}, (Verdict("overfit", bits < self.most_bits, told),))

    def chosen(self, data: TokenData) -> TokenBatch:
        """The documents' beginnings, padded behind their ends."""
        names = [stream.name for stream in data.vocabulary.streams]
        by_stream = [[entry for entry in data.told["train"] if entry.signal.stream == name] for name in names]
        turns = [entry for row in itertools.zip_longest(*by_stream) for entry in row if entry is not None]
        width = data.context + 1
        ids = np.full((len(turns[: self.documents]), width), data.vocabulary.control["pad"], np.int64)
        segments = np.full(ids.shape, PADDING, np.int64)
        for row, entry in enumerate(turns[: self.documents]):
            own, kinds = data.rendered(entry)
            ids[row, : len(own[:width])], segments[row, : len(own[:width])] = own[:width], kinds[:width]
        return TokenBatch(torch.from_numpy(ids), torch.from_numpy(segments))


class ShuffledControl(Proof):
    """Rule 5. Codes and text are shuffled over the whole split, each level on its own; their histograms stay."""

    def __init__(self, *, steps: int, learning_rate: float, margin: float) -> None:
        self.steps, self.learning_rate = _whole("steps", steps), _positive("learning_rate", learning_rate)
        self.margin = _positive("margin", margin)

    def prove(self, model: GPT, data: TokenData, values: dict[str, float], *, seed: int) -> Proven:
        """Train on the shuffled train split, measure on the shuffled val split."""
        del values
        generator = np.random.default_rng(seed)
        whole = data.splits
        data.splits = {name: shuffled(data, own, generator) for name, own in whole.items()}
        try:
            fresh = fresh_model(model, seed)
            loader = data.train_loader(seed=seed, num_batches=self.steps, start_batch=0, rank=0, world=1)
            train(fresh, lambda _: next(loader), steps=self.steps, learning_rate=self.learning_rate)
            costs = Costs(data.vocabulary)
            for batch in data.eval_loader("val", rank=0, world=1):
                costs.add(fresh.eval(), batch)
        finally:
            data.splits = whole
        found = costs.values(None)
        pairs = costs_and_unigrams(found)
        passed = all(cost > unigram - self.margin for cost, unigram in pairs.values())
        verdict = Verdict("shuffled control", passed, f"val, margin {self.margin:g}: {words(pairs)}")
        kept = {f"control_{name}": value for name, value in found.items() if name.startswith("bits_per_token_")}
        return Proven(kept, (verdict,))


def costs_and_unigrams(values: dict[str, float]) -> dict[str, tuple[float, float]]:
    """By stream: bits a token, and the unigram entropy."""
    names = [name.removeprefix("unigram_") for name in values if name.startswith("unigram_")]
    return {name: (values[f"bits_per_token_{name}"], values[f"unigram_{name}"]) for name in names}


def words(pairs: dict[str, tuple[float, float]]) -> str:
    """The numbers of each stream."""
    return ", ".join(f"{name} {cost:.3f} of {unigram:.3f}" for name, (cost, unigram) in pairs.items())


def shuffled(data: TokenData, split: TokenSplit, generator: np.random.Generator) -> TokenSplit:
    """The ids of each block of text and codes in another order; what the grammar fixes stays where it is."""
    ids = split.ids.copy()
    for block in data.vocabulary.blocks.values():
        if block.name in ("control", "number"):
            continue
        where = np.flatnonzero((ids >= block.offset) & (ids < block.offset + block.size))
        ids[where] = generator.permutation(split.ids[where])
    return replace(split, ids=ids)


def fresh_model(model: GPT, seed: int) -> GPT:
    """One of the same description, on the same device, untrained; torch's own generator is as it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        fresh = build(describe(model))
    assert isinstance(fresh, GPT), "a description is of the class that it was made of"
    return fresh.to(model.places.device)


def train(model: GPT, batch_of: Callable[[int], TokenBatch], *, steps: int, learning_rate: float) -> None:
    """AdamW at a rate that falls linearly to a tenth. The loss is over what is not padding."""
    model.train()
    device = model.places.device
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=BETAS, weight_decay=0.0, fused=True)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - 0.9 * step / steps)
        batch = batch_of(step)
        loss, _ = model.losses(batch.ids.to(device), shares(batch.segments.to(device)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()


def shares(segments: Tensor, weights: Tensor | None = None) -> Tensor:
    """What each of the ids [b, n] but the first counts in their mean [b, n - 1], one together; of padding nothing.

    weights [kinds]: of the ids of each kind of segment; None: all alike.
    """
    counted = (segments[:, 1:] != PADDING).float()
    if weights is not None:
        counted = counted * weights.to(counted.device)[segments[:, 1:].clamp_min(0)]
    return counted / counted.sum().clamp_min(torch.finfo(counted.dtype).tiny)


def _whole(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} is {value}; it must be 1 or more")
    return value


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name} is {value}; it must be above 0")
    return value
