"""Evaluation: the one function behind every number that training, eval.py and the report show."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Int64
from torch import Tensor

from signaltok.metrics.codes import CodeCounter
from signaltok.metrics.distortion import Metric
from signaltok.metrics.distribution import SetMetric
from signaltok.metrics.error_rate import ErrorRate, SymbolErrorRate, TextSets
from signaltok.metrics.feature_sets import FeatureSets
from signaltok.metrics.joint_codes import TupleCounter
from signaltok.metrics.kept import ClipKeeper, Clips, PictureKeeper, Pictures, SoundKeeper, Sounds, pixels
from signaltok.metrics.neighbours import Neighbours
from signaltok.metrics.probe import LinearProbe, ProbeSets
from signaltok.metrics.retrieval import Retrieval, RetrievalSets, ZeroShot
from signaltok.parts import Alignment
from signaltok.processes import sum_over_group
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import TokenStack

AnyMetric = Metric | SetMetric | LinearProbe | Retrieval | ZeroShot | ErrorRate | SymbolErrorRate


@dataclass(frozen=True)
class Evaluation:
    """values: by name, without the split's. counts: of every code, a tensor a level (none without codes).

    pictures, sounds, clips: some items, None where the signals are none. protocols: of those values that mean nothing
    without one. neighbours: what texts find, where a metric compares items with texts. texts: of a few items of this
    process, key, what was said and what the codes say.
    """

    values: dict[str, float]
    counts: tuple[Int64[Tensor, "_"], ...]
    pictures: Pictures | None
    sounds: Sounds | None = None
    protocols: dict[str, str] = field(default_factory=dict)
    neighbours: Neighbours | None = None
    texts: tuple[tuple[str, str, str], ...] = ()
    clips: Clips | None = None


def evaluate(
    tokenizer: Tokenizer,
    batches: Iterable[Batch],
    *,
    metrics: Mapping[str, AnyMetric],
    on_batch: Callable[[int], None] | None = None,
    tokens: int | None = None,
    levels: int | None = None,
    alignment: Alignment | None = None,
) -> Evaluation:
    """Reconstruct every batch in eval mode and measure it.

    A Metric is the mean over items, a SetMetric or a LinearProbe a number about all of them; codes are counted over the
    whole split. Items of which a Metric has no value are left out of its mean, and its protocol says how many.
    Where a process group exists, every process must call this with its own part of the split, which may be empty, and
    all get the same values; pictures and sounds are a process's own.
    on_batch is told the number of items after each batch. tokens: reconstruct from so many of the tokens of a sequence,
    the first ones (Tokenizer.forward); levels: from the first so many levels, where the quantizer can. alignment: the
    term of the run that puts texts or pairs beside items, which Retrieval and ZeroShot look through. Raises ValueError
    where no process has a batch, where a metric and a number about codes have one name, and where a metric needs an
    alignment or a decoder that there is not.
    """
    whole = sorted(n for n, metric in metrics.items() if isinstance(metric, LinearProbe | Retrieval | ZeroShot))
    if levels is not None and whole:
        raise ValueError(f"{whole} look at all levels; leave them out of metrics, or levels out")
    compared = sorted(name for name, metric in metrics.items() if isinstance(metric, Metric | SetMetric))
    if compared and not tokenizer.decoder.reconstructs:
        raise ValueError(
            f"{compared} compare signals with their reconstructions, but this tokenizer only encodes; leave them out "
            "of metrics (metrics=retrieval has none)"
        )
    tally = _Tally(tokenizer, metrics, levels, alignment)
    training = tokenizer.training
    tokenizer.eval()
    towers = None if alignment is None else (alignment, alignment.training)
    if alignment is not None:
        alignment.eval()
    try:
        # no_grad, not inference_mode: a part may keep a tensor made here (a cached table) and train with it later.
        with torch.no_grad():
            for batch in batches:
                signal = batch.signal.to(tokenizer.device)
                lengths = None if batch.lengths is None else batch.lengths.to(tokenizer.device)
                decoded, stack, result = _reconstructed(tokenizer, signal, lengths, tokens, levels)
                tally.add(signal, lengths, batch.keys, decoded, stack)
                tally.texts.add(batch, tokenizer, stack)
                if result is not None:
                    tally.probes.add(batch.labels, batch.keys, tokenizer.quantizer, result, stack)
                    tally.retrieval.add(batch, tokenizer.quantizer, result, stack)
                if on_batch is not None:
                    on_batch(len(signal))
    finally:
        tokenizer.train(training)
        if towers is not None:
            towers[0].train(towers[1])
    return tally.result()


def _reconstructed(
    tokenizer: Tokenizer, signal: Tensor, lengths: Tensor | None, tokens: int | None, levels: int | None
) -> tuple[Tensor, TokenStack | None, Reconstruction | None]:
    if levels is not None:
        stack = tokenizer.encode(signal, lengths).first_levels(levels)
        return tokenizer.decode(stack), stack, None
    result = tokenizer(signal, lengths, tokens)
    size, codes = tuple(signal.shape[2:]), result.quantized.codes
    return result.signal, tokenizer.stack(codes, size, lengths, tokens) if codes else None, result


class _Tally:
    """What is added up over the batches of one evaluation."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        metrics: Mapping[str, AnyMetric],
        levels: int | None,
        alignment: Alignment | None,
    ) -> None:
        self.tokenizer = tokenizer
        self.metrics = {name: metric for name, metric in metrics.items() if isinstance(metric, Metric)}
        self.sets = FeatureSets({name: metric for name, metric in metrics.items() if isinstance(metric, SetMetric)})
        self.probes = ProbeSets({name: metric for name, metric in metrics.items() if isinstance(metric, LinearProbe)})
        compared = {n: metric for n, metric in metrics.items() if isinstance(metric, Retrieval | ZeroShot)}
        self.retrieval = RetrievalSets(compared, alignment, tokenizer.value_range)
        self.texts = TextSets({n: m for n, m in metrics.items() if isinstance(m, ErrorRate | SymbolErrorRate)})
        self.value_range = tokenizer.value_range
        self.codes = CodeCounter(tokenizer.quantizer.codebook_sizes[:levels])
        self.tuples = TupleCounter()
        self.totals = torch.zeros(2, len(self.metrics), dtype=torch.float64)  # sums, and over how many items
        self.extent = torch.zeros(3, dtype=torch.int64)  # items, signal positions, those along the first axis alone
        self.pictures = PictureKeeper(self.value_range)
        rate, axes = tokenizer.sample_rate, tokenizer.encoder.axes
        silent = axes != 1 or not tokenizer.decoder.reconstructs
        self.sounds = None if rate is None or silent else SoundKeeper(rate)
        self.clips = None
        if rate is not None and axes == 3:
            stride = tokenizer.strides[0][0] if tokenizer.strides else 1
            lead = 0 if tokenizer.lead is None else tokenizer.lead[0]
            self.clips = ClipKeeper(self.value_range, rate, stride=stride, lead=lead)

    def add(
        self, signal: Tensor, lengths: Tensor | None, keys: tuple[str, ...], decoded: Tensor, stack: TokenStack | None
    ) -> None:
        low, high = self.value_range
        decoded = decoded.clamp(low, high)
        broken = decoded.flatten(1).isnan().any(1).cpu()
        for number, metric in enumerate(self.metrics.values()):
            values = metric.measure(signal, decoded, self.value_range, lengths).double().cpu()
            # Left out is what a metric says nothing of, not what the model made a mess of: that has to be seen.
            there = broken | ~values.isnan()
            self.totals[:, number] += torch.stack([values[there].sum(), there.sum()])
        self.sets.add(signal, decoded, lengths, lambda values: pixels(values, self.value_range))
        positions = signal[:, 0].numel() if lengths is None else int(lengths.prod(1).sum())
        along = len(signal) * signal.shape[2] if lengths is None else int(lengths[:, 0].sum())
        self.extent += torch.tensor([len(signal), positions, along])
        if stack is not None:
            self.codes.update(stack)
            self.tuples.update(stack)
        if self.sounds is not None:
            self.sounds.add(signal, decoded, lengths, stack, keys)
        elif self.clips is not None:
            self.clips.add(signal, decoded, lengths, stack, keys)
        elif signal.ndim == 4 and self.tokenizer.decoder.reconstructs:
            self.pictures.add(signal, decoded, lengths, stack, keys)

    def result(self) -> Evaluation:
        items, positions, along = (int(n) for n in sum_over_group(self.extent))
        if items == 0:
            raise ValueError("there is nothing to evaluate: the split gave no batch")
        totals, measured = sum_over_group(self.totals).tolist()
        found = zip(self.metrics, totals, measured, strict=True)
        probed, how = self.probes.results()
        compared, rules = self.retrieval.results()
        read, counted = self.texts.results()
        values = (
            {name: total / count for name, total, count in found if count}
            | self.sets.values()
            | probed
            | compared
            | read
        )
        protocols = self.sets.protocols(items) | how | rules | counted
        for (name, metric), count in zip(self.metrics.items(), measured, strict=True):
            missing = f"{items - int(count)} of {items} items have no value and are left out" if count < items else ""
            text = "; ".join(filter(None, (metric.words(), missing)))
            if text:
                protocols[name] = text
        counts = self.codes.counts()
        rates = self._frame_rates(counts, along)
        about_codes = self.codes.summary(positions, rates, self.tokenizer.collapses) if counts else {}
        if counts and self.clips is not None:
            about_codes["tokens_per_second"] = sum(rates or ())
        together, words = self.tuples.result()
        about_codes, protocols = about_codes | together, protocols | words
        if values.keys() & about_codes.keys():
            raise ValueError(
                f"metrics {sorted(values.keys() & about_codes.keys())} have the names of numbers about codes; "
                "rename them under metrics"
            )
        return Evaluation(
            values=values | about_codes,
            counts=counts,
            pictures=self.pictures.pictures(),
            sounds=None if self.sounds is None else self.sounds.sounds(),
            protocols=protocols,
            neighbours=self.retrieval.neighbours(),
            texts=tuple(self.texts.kept),
            clips=None if self.clips is None else self.clips.clips(),
        )

    def _frame_rates(self, counts: tuple[Tensor, ...], along: int) -> tuple[float, ...] | None:
        """Tokens a second, a level; of sequences, runs and videos, where no rate alone says so, as counted."""
        rate = self.tokenizer.sample_rate
        if rate is None:
            return None
        encoder = self.tokenizer.encoder
        if encoder.tokens is not None or encoder.axes > 1 or self.tokenizer.collapses:
            return tuple(int(level.sum()) * rate / along for level in counts)
        grids = zip(self.tokenizer.strides, self.tokenizer.shares, strict=True)
        return tuple(rate / stride[0] * kept / of for stride, (kept, of) in grids)[: len(counts)]
