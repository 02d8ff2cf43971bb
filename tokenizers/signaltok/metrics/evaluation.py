"""Evaluation: the one function behind every number that training, eval.py and the report show."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from signaltok.metrics.codes import CodeCounter
from signaltok.metrics.distortion import Metric
from signaltok.metrics.distribution import SetMetric
from signaltok.metrics.feature_sets import FeatureSets
from signaltok.metrics.probe import LinearProbe, ProbeSets
from signaltok.metrics.selection import SpreadSelection
from signaltok.processes import sum_over_group
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction

PICTURES = 8


@dataclass(frozen=True)
class Pictures:
    """Some items, spread evenly over the split: as they were, as they came back, and their first level's codes."""

    originals: UInt8[Tensor, "n c h w"]
    reconstructions: UInt8[Tensor, "n c h w"]
    codes: Int64[Tensor, "n ..."] | None
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """values: by name, without the split's. counts: of every code, a tensor a level (none without codes).

    pictures: None where the signals are not pictures. protocols: of those values that mean nothing without one.
    """

    values: dict[str, float]
    counts: tuple[Int64[Tensor, "_"], ...]
    pictures: Pictures | None
    protocols: dict[str, str] = field(default_factory=dict)


def evaluate(
    tokenizer: Tokenizer,
    batches: Iterable[Batch],
    *,
    metrics: Mapping[str, Metric | SetMetric | LinearProbe],
    on_batch: Callable[[int], None] | None = None,
    tokens: int | None = None,
) -> Evaluation:
    """Reconstruct every batch in eval mode and measure it.

    A Metric is the mean over items, a SetMetric or a LinearProbe a number about all of them; codes are counted over the
    whole split.
    Where a process group exists, every process must call this with its own part of the split, which may be empty, and
    all get the same values; pictures are a process's own.
    on_batch is told the number of items after each batch. tokens: reconstruct from so many of the tokens of a sequence,
    the first ones (Tokenizer.forward). Raises ValueError where no process has a batch, or where
    a metric and a number about codes have one name.
    """
    tally = _Tally(tokenizer, metrics, tokens)
    training = tokenizer.training
    tokenizer.eval()
    try:
        # no_grad, not inference_mode: a part may keep a tensor made here (a cached table) and train with it later.
        with torch.no_grad():
            for batch in batches:
                signal = batch.signal.to(tokenizer.device)
                lengths = None if batch.lengths is None else batch.lengths.to(tokenizer.device)
                tally.add(batch, signal, lengths, tokenizer(signal, lengths, tokens))
                if on_batch is not None:
                    on_batch(len(signal))
    finally:
        tokenizer.train(training)
    return tally.result()


class _Tally:
    """What is added up over the batches of one evaluation."""

    def __init__(
        self, tokenizer: Tokenizer, metrics: Mapping[str, Metric | SetMetric | LinearProbe], tokens: int | None
    ) -> None:
        self.tokenizer, self.tokens = tokenizer, tokens
        self.metrics = {name: metric for name, metric in metrics.items() if isinstance(metric, Metric)}
        self.sets = FeatureSets({name: metric for name, metric in metrics.items() if isinstance(metric, SetMetric)})
        self.probes = ProbeSets({name: metric for name, metric in metrics.items() if isinstance(metric, LinearProbe)})
        self.value_range = tokenizer.value_range
        self.strides, self.shares = tokenizer.strides, tokenizer.shares
        self.codes = CodeCounter(tokenizer.quantizer.codebook_sizes)
        self.totals = torch.zeros(len(self.metrics), dtype=torch.float64)
        self.extent = torch.zeros(2, dtype=torch.int64)  # items, signal positions
        self.pictures = SpreadSelection(PICTURES)

    def add(self, batch: Batch, signal: Tensor, lengths: Tensor | None, result: Reconstruction) -> None:
        low, high = self.value_range
        decoded = result.signal.clamp(low, high)
        for number, metric in enumerate(self.metrics.values()):
            self.totals[number] += metric.measure(signal, decoded, self.value_range, lengths).double().sum().cpu()
        self.sets.add(signal, decoded, lengths, self._pixels)
        positions = signal[:, 0].numel() if lengths is None else int(lengths.prod(1).sum())
        self.extent += torch.tensor([len(signal), positions])
        stack = None
        if self.strides:
            codes = result.quantized.codes
            stack = self.tokenizer.stack(codes, tuple(signal.shape[2:]), lengths, self.tokens)
            self.codes.update(stack)
        self.probes.add(batch.labels, batch.keys, self.tokenizer.quantizer, result, stack)
        if signal.ndim == 4:
            first = result.quantized.codes[0] if self.strides else None
            for item, key in enumerate(batch.keys):
                if self.pictures.wants():
                    codes = None if first is None else first[item].cpu()
                    pair = (self._pixels(values[item]).cpu() for values in (signal, decoded))
                    self.pictures.add((*pair, codes, key))
                else:
                    self.pictures.skip()

    def result(self) -> Evaluation:
        items, positions = (int(n) for n in sum_over_group(self.extent))
        if items == 0:
            raise ValueError("there is nothing to evaluate: the split gave no batch")
        means = (sum_over_group(self.totals) / items).tolist()
        probed, how = self.probes.results()
        values = dict(zip(self.metrics, means, strict=True)) | self.sets.values() | probed
        protocols = self.sets.protocols(items) | how
        if not self.strides:
            return Evaluation(values=values, counts=(), pictures=self._pictures(), protocols=protocols)
        about_codes = self.codes.summary(positions)
        if values.keys() & about_codes.keys():
            raise ValueError(
                f"metrics {sorted(values.keys() & about_codes.keys())} have the names of numbers about codes; "
                "rename them under metrics"
            )
        return Evaluation(
            values=values | about_codes, counts=self.codes.counts(), pictures=self._pictures(), protocols=protocols
        )

    def _pixels(self, values: Tensor) -> Tensor:
        low, high = self.value_range
        return ((values.float() - low) * (255 / (high - low))).round().clamp(0, 255).to(torch.uint8)

    def _pictures(self) -> Pictures | None:
        kept = self.pictures.items()
        if not kept:
            return None
        kept = [item for item in kept if item[0].shape == kept[0][0].shape]
        originals, reconstructions, codes, keys = zip(*kept, strict=True)
        return Pictures(
            originals=torch.stack(originals),
            reconstructions=torch.stack(reconstructions),
            codes=None if codes[0] is None else torch.stack(codes),
            keys=keys,
        )
