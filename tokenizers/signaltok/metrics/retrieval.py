"""Retrieval between items and their texts (or pairs), and zero-shot classes, at four taps of a tokenizer.

pre: the item's embedding is of the latent before the quantizer. adc: of what the quantizer gave, beside the text's
embedding as it is (asymmetric distance, Jégou et al. 2011, section III-A). post: both went through the same quantizer.
codes: how many codes of the two are equal, and nothing else. post and codes need items of one token in the space of the
texts (encoder=pooled, and project: false in the term).

Among k ranks a hit is at least one positive. Where scores tie, as they do with codes, what a ranking would put first is
an accident; the figure is the expectation over all orders of the tied: with n_+ candidates strictly better than the
best positive, n_= tied with it of which p are positive, and m = clamp(k - n_+, 0, n_=), a hit has the probability 1 -
C(n_= - p, m) / C(n_=, m).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from signaltok.metrics.neighbours import NeighbourKeeper, Neighbours
from signaltok.metrics.probe import of_all
from signaltok.parts import Alignment, Part, Quantizer
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import TokenStack

TAPS = ("pre", "post", "adc", "codes")
TIES = "ties by the expectation over their orders"


class Retrieval(Part):
    """Recall at the ranks, both ways: values recall_at_<k>_<item>_to_<paired>_<tap> and the other way round.

    between: what items are and what is paired with them, for the names: [image, text].
    """

    def __init__(self, *, tap: str, ranks: Sequence[int], between: Sequence[str]) -> None:
        _check_tap(tap, TAPS)
        if not ranks or min(ranks) < 1 or len(between) != 2:
            raise ValueError(f"ranks is {list(ranks)}, of numbers from 1 on; between is {list(between)}, of two words")
        self.tap, self.ranks, self.between = tap, tuple(ranks), tuple(between)

    def values(self, scores: Float[Tensor, "n n"]) -> dict[str, float]:
        """Of the scores of items (rows) with pairs (columns), of which those on the diagonal belong together."""
        item, paired = self.between
        belongs = torch.eye(len(scores), dtype=torch.bool)
        found = {}
        for way, table in ((f"{item}_to_{paired}", scores), (f"{paired}_to_{item}", scores.T)):
            for rank in self.ranks:
                found[f"recall_at_{rank}_{way}_{self.tap}"] = recall(table, belongs, rank)
        return found

    def protocol(self, items: int) -> str:
        """What the numbers are, in one line."""
        item, paired = self.between
        words = {
            "pre": f"{item} before quantization",
            "adc": f"quantized {item} beside {paired} as it is",
            "post": f"{item} and {paired} through the same quantizer",
            "codes": f"number of equal codes of {item} and {paired}",
        }
        return f"{words[self.tap]}, among {items:,} of the split, chance {1 / items:.4f} at rank 1; {TIES}"


class ZeroShot(Part):
    """The accuracy, 0 to 1, with which the class whose text is nearest is the item's label; name: the config's key.

    classes: their texts in the order of the labels; template: what {} in it is replaced by each. tap: pre or adc.
    """

    def __init__(self, *, tap: str, classes: Sequence[str], template: str) -> None:
        _check_tap(tap, ("pre", "adc"))
        if len(classes) < 2 or "{}" not in template:
            raise ValueError(f"classes is {list(classes)}, of two or more; template is {template!r}, with {{}} in it")
        self.tap, self.template = tap, template
        self.classes = tuple(template.replace("{}", name) for name in classes)

    def accuracy(self, items: Float[Tensor, "n e"], texts: Float[Tensor, "k e"], labels: Tensor) -> float:
        """See the class; classes whose scores tie share the item evenly. ValueError for labels without a class."""
        if int(labels.max()) >= len(self.classes):
            raise ValueError(f"the label {int(labels.max())} has no text: classes names {len(self.classes)}")
        belongs = labels[:, None] == torch.arange(len(self.classes))
        return recall(items @ texts.T, belongs, 1)

    def protocol(self, items: int) -> str:
        """What the number is, in one line."""
        return f"nearest of {len(self.classes)} class texts ({self.template!r}) at {self.tap}, {items:,} items; {TIES}"


class RetrievalSets:
    """Embeddings, codes and labels of a split, collected batch by batch, of all processes where there are several."""

    def __init__(
        self,
        metrics: dict[str, Retrieval | ZeroShot],
        alignment: Alignment | None,
        value_range: tuple[float, float],
    ) -> None:
        self.metrics, self.alignment = metrics, alignment
        self.kept = NeighbourKeeper(value_range)
        self.taps = {metric.tap for metric in metrics.values()}
        if metrics and alignment is None:
            raise ValueError(
                f"{', '.join(sorted(metrics))} need the text tower of a run with an align term, which belongs to the "
                "term and not to a tokenizer: give the folder of such a run, or leave them out of metrics"
            )
        self._rows: dict[str, list[Tensor]] = {}

    def add(self, batch: Batch, quantizer: Quantizer, result: Reconstruction, stack: TokenStack | None) -> None:
        """A batch. Raises ValueError where text, pairs, labels or codes that a metric needs are not there."""
        if not self.metrics:
            return
        assert self.alignment is not None, "the constructor has asked for it"
        device = result.latent.device
        if batch.pair is not None:
            batch = Batch(signal=batch.signal, keys=batch.keys, text=batch.text, pair=batch.pair.to(device))
        if batch.text is None and batch.pair is None:
            raise ValueError(f"{', '.join(sorted(self.metrics))} need items with text or pairs; take data=emoji")
        pairs = self.alignment.of_pairs(batch)
        z_q = result.quantized.z_q
        self._add("pairs", pairs)
        self.kept.add(batch.signal, batch.text, None if stack is None else stack.levels[0])
        self._add("pre", self.alignment.of_items(result.latent, result.mask))
        self._add("adc", self.alignment.of_items(z_q, result.mask))
        if batch.labels is not None:
            self._add("labels", batch.labels[:, None])
        if self.taps & {"post", "codes"}:
            self._add_quantized(pairs, quantizer, stack)

    def _add_quantized(self, pairs: Tensor, quantizer: Quantizer, stack: TokenStack | None) -> None:
        assert self.alignment is not None
        latents = self.alignment.as_latent(pairs)
        if stack is None:
            raise ValueError(
                f"{type(quantizer).__name__} has no codes; leave the taps post and codes out of metrics "
                "(metrics=retrieval)"
            )
        if any(level[0].numel() != 1 for level in stack.levels):
            raise ValueError(
                f"items have codes on grids of {[level[0].numel() for level in stack.levels]} positions and a text has "
                "one: the taps post and codes need items of one token (encoder=pooled)"
            )
        # Each alone, as every item's codes are (law 2).
        codes = [quantizer.encode(latent) for latent in latents.split(1)]
        self._add("quantized", self.alignment.of_items(torch.cat([quantizer.decode(own) for own in codes]), None))
        self._add("codes", torch.cat([level.flatten(1) for level in stack.levels], 1))
        self._add("pair_codes", torch.cat([torch.cat([level.flatten(1) for level in own], 1) for own in codes]))

    def _add(self, name: str, rows: Tensor) -> None:
        self._rows.setdefault(name, []).append(rows.double().cpu())

    def results(self) -> tuple[dict[str, float], dict[str, str]]:
        """Every value and protocol; the same on all processes."""
        if not self.metrics:
            return {}, {}
        assert self.alignment is not None
        names = [
            "pairs",
            "pre",
            "adc",
            *(("quantized", "codes", "pair_codes") if self.taps & {"post", "codes"} else ()),
        ]
        rows = {name: of_all(self._rows.get(name, [])) for name in names}
        values: dict[str, float] = {}
        protocols: dict[str, str] = {}
        for name, metric in self.metrics.items():
            found = {name: self._zero_shot(metric, rows)} if isinstance(metric, ZeroShot) else _recalls(metric, rows)
            if values.keys() & found.keys():
                raise ValueError(f"two metrics give {sorted(values.keys() & found.keys())}; leave one of them out")
            values |= found
            protocols |= dict.fromkeys(found, metric.protocol(len(rows["pre"])))
        return values, protocols

    def neighbours(self) -> Neighbours | None:
        """Of this process's own items; None without pictures or texts."""
        if not self._rows:
            return None
        return self.kept.neighbours(torch.cat(self._rows["adc"]), torch.cat(self._rows["pairs"]))

    def _zero_shot(self, metric: ZeroShot, rows: dict[str, Tensor]) -> float:
        labels = of_all(self._rows.get("labels", [])).long()
        if labels.numel() != len(rows["pre"]):
            raise ValueError("zero-shot classes need labels, which these data do not have; leave them out of metrics")
        count = len(metric.classes)
        assert self.alignment is not None
        prompts = Batch(signal=torch.zeros(count, 1, 1), keys=("",) * count, text=metric.classes)
        with torch.no_grad():
            texts = self.alignment.of_pairs(prompts).double().cpu()
        return metric.accuracy(rows[metric.tap], texts, labels[:, 0])


def recall(scores: Float[Tensor, "n m"], positive: Bool[Tensor, "n m"], rank: int) -> float:
    """The share of rows with a positive among the first ranks, in expectation over the orders of what ties."""
    best = scores.masked_fill(~positive, float("-inf")).amax(1, keepdim=True)
    better = (scores > best).sum(1).tolist()
    tied = (scores == best).sum(1).tolist()
    hits = ((scores == best) & positive).sum(1).tolist()
    chances = [hit_probability(b, t, p, rank) for b, t, p in zip(better, tied, hits, strict=True)]
    return sum(chances) / len(chances)


def hit_probability(better: int, tied: int, positive: int, rank: int) -> float:
    """That one of `positive` among `tied` equal candidates comes within rank, where `better` others come before."""
    assert 1 <= positive <= tied, (positive, tied)
    places = min(max(rank - better, 0), tied)
    return 1 - math.comb(tied - positive, places) / math.comb(tied, places)


def value_names(name: str, node: dict[str, Any]) -> list[str]:
    """The names of the values that the metric of a config's key and node gives."""
    if node["_target_"] != f"{Retrieval.__module__}.{Retrieval.__qualname__}":
        return [name]
    item, paired = node["between"]
    ways = (f"{item}_to_{paired}", f"{paired}_to_{item}")
    return [f"recall_at_{rank}_{way}_{node['tap']}" for way in ways for rank in node["ranks"]]


def _recalls(metric: Retrieval, rows: dict[str, Tensor]) -> dict[str, float]:
    if metric.tap == "codes":
        return metric.values((rows["codes"][:, None] == rows["pair_codes"][None]).double().sum(2))
    items = rows["pre" if metric.tap == "pre" else "adc"]
    return metric.values(items @ rows["quantized" if metric.tap == "post" else "pairs"].T)


def _check_tap(tap: str, taps: tuple[str, ...]) -> None:
    if tap not in taps:
        raise ValueError(f"tap is {tap!r}; it is one of {', '.join(taps)}")
