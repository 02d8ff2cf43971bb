"""The features of a split, collected batch by batch, each extractor's once for all the metrics that use it."""

from collections.abc import Callable

import torch
from torch import Tensor

from signaltok.metrics.distribution import SetMetric
from signaltok.metrics.extractors import FeatureExtractor
from signaltok.processes import rows_of_all


class FeatureSets:
    """Features of originals and reconstructions, on the processor; of all processes where there are several."""

    def __init__(self, metrics: dict[str, SetMetric]) -> None:
        self.metrics = metrics
        self._extractors = {_identity(metric.extractor): metric.extractor for metric in metrics.values()}
        self._features: dict[str, list[Tensor]] = {name: [] for name in self._extractors}

    def add(self, signal: Tensor, decoded: Tensor, lengths: Tensor | None, pixels: Callable[[Tensor], Tensor]) -> None:
        """A batch of pictures of one size, or of videos. pixels: turns them into uint8.

        Raises ValueError for anything else.
        """
        for name, metric in self.metrics.items():
            _check(name, metric.extractor, signal, lengths)
        for name, extractor in self._extractors.items():
            pair = [_features(extractor, pixels(values), lengths).double().cpu() for values in (signal, decoded)]
            self._features[name].append(torch.cat(pair, 1))

    def values(self) -> dict[str, float]:
        """Every metric's number; the same on all processes."""
        pairs = {name: self._all(name).chunk(2, 1) for name in self._extractors}
        return {name: metric.distance(*pairs[_identity(metric.extractor)]) for name, metric in self.metrics.items()}

    def protocols(self, items: int) -> dict[str, str]:
        """What every number is."""
        return {name: metric.protocol(items) for name, metric in self.metrics.items()}

    def _all(self, name: str) -> Tensor:
        """Rows of all processes; one that has none finds out how long they are."""
        extractor = self._extractors[name]
        blank = torch.zeros(1, 3, *(8,) * (extractor.axes - 2), 64, 64, dtype=torch.uint8)
        width = 2 * extractor(blank).shape[1] if not self._features[name] else 0
        own = torch.cat(self._features[name]) if self._features[name] else torch.zeros(0, width, dtype=torch.float64)
        return rows_of_all(own)


def _check(name: str, extractor: FeatureExtractor, signal: Tensor, lengths: Tensor | None) -> None:
    """Videos may be of several extents, pictures not: a resize of other sizes is another protocol."""
    unequal = extractor.axes == 2 and lengths is not None and bool((lengths != lengths[0]).any())
    if signal.ndim != 2 + extractor.axes or signal.shape[1] != 3 or unequal:
        kind = "pictures of three channels and one size" if extractor.axes == 2 else "videos of three channels"
        raise ValueError(f"{name} compares {kind}, got {tuple(signal.shape)}; leave it out of metrics")


def _features(extractor: FeatureExtractor, values: Tensor, lengths: Tensor | None) -> Tensor:
    """Of every item at its own size."""
    if lengths is None:
        return extractor(values)
    sizes = lengths.tolist()
    if all(size == sizes[0] for size in sizes):
        return extractor(values[(..., *map(slice, sizes[0]))])
    return torch.cat(
        [extractor(item[(None, ..., *map(slice, size))]) for item, size in zip(values, sizes, strict=True)]
    )


def _identity(extractor: FeatureExtractor) -> str:
    return f"{type(extractor).__name__} {sorted(extractor.arguments.items())}"
