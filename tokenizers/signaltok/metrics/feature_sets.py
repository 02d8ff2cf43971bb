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
        """A batch of pictures of one size. pixels: turns them into uint8. Raises ValueError for anything else."""
        if not self.metrics:
            return
        if signal.ndim != 4 or signal.shape[1] != 3 or (lengths is not None and bool((lengths != lengths[0]).any())):
            raise ValueError(
                f"{', '.join(self.metrics)} compare pictures of three channels and one size, got "
                f"{tuple(signal.shape)}; leave them out of metrics"
            )
        if lengths is not None:
            height, width = lengths[0].tolist()
            signal, decoded = signal[..., :height, :width], decoded[..., :height, :width]
        for name, extractor in self._extractors.items():
            pair = [extractor(pixels(values)).double().cpu() for values in (signal, decoded)]
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
        blank = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
        width = 2 * self._extractors[name](blank).shape[1] if not self._features[name] else 0
        own = torch.cat(self._features[name]) if self._features[name] else torch.zeros(0, width, dtype=torch.float64)
        return rows_of_all(own)


def _identity(extractor: FeatureExtractor) -> str:
    return f"{type(extractor).__name__} {sorted(extractor.arguments.items())}"
