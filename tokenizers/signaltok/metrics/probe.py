"""Linear probes of an evaluation: fitted to one half of the labelled items of a split, measured on the other."""

import zlib

import torch
from torch import Tensor

from signaltok.metrics.ridge import accuracy, fit
from signaltok.metrics.taps import TAPS, tapped
from signaltok.parts import Part, Quantizer
from signaltok.processes import place, rows_of_all, sum_over_group
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import TokenStack


class LinearProbe(Part):
    """The accuracy, 0 to 1, with which a linear map tells an item's label from what a tap gives of it.

    tap: one of metrics.taps. penalty: of the ridge regression, per item.
    """

    def __init__(self, *, tap: str, penalty: float) -> None:
        if tap not in TAPS:
            raise ValueError(f"tap is {tap!r}; it is one of {', '.join(TAPS)}")
        if not penalty > 0:
            raise ValueError(f"penalty is {penalty}; it must be above 0, such as 1.0e-3")
        self.tap, self.penalty = tap, penalty

    def measure(self, features: Tensor, labels: Tensor, held_out: Tensor) -> float:
        """Fit to the items that are not held out, accuracy on those that are. ValueError where a half is empty."""
        classes = int(labels.max()) + 1
        fitted = fit(features[~held_out], labels[~held_out], classes, self.penalty)
        return accuracy(fitted, features[held_out], labels[held_out])

    def protocol(self, fitted: int, held_out: int) -> str:
        """What the number is, in one line."""
        return (
            f"ridge regression (penalty {self.penalty:g} an item) on {self.tap}, mean over positions; fitted to "
            f"{fitted:,} items of the split, accuracy on {held_out:,} others"
        )


class ProbeSets:
    """Features and labels of a split, collected batch by batch, of all processes where there are several."""

    def __init__(self, probes: dict[str, LinearProbe]) -> None:
        self.probes = probes
        self._features: dict[str, list[Tensor]] = {probe.tap: [] for probe in probes.values()}
        self._labels: list[Tensor] = []  # [n, 2]: the label, and whether the item is held out

    def add(
        self,
        labels: Tensor | None,
        keys: tuple[str, ...],
        quantizer: Quantizer,
        reconstruction: Reconstruction,
        stack: TokenStack | None,
    ) -> None:
        """A batch. Raises ValueError where there are no labels, or a tap is not there."""
        if not self.probes:
            return
        if labels is None:
            raise ValueError(
                f"{', '.join(self.probes)} need labels, which these data do not have; take data=emoji, fashion_mnist, "
                "cifar10 or imagenet, or leave them out of metrics"
            )
        for tap, kept in self._features.items():
            kept.append(tapped(tap, quantizer, reconstruction, stack).double().cpu())
        apart = torch.tensor([is_held_out(key) for key in keys])
        self._labels.append(torch.stack([labels.cpu(), apart.long()], 1).double())

    def results(self) -> tuple[dict[str, float], dict[str, str]]:
        """Every probe's accuracy and protocol; the same on all processes."""
        if not self.probes:
            return {}, {}
        labels, apart = of_all(self._labels).long().unbind(1)
        held_out = apart == 1
        features = {tap: of_all(rows) for tap, rows in self._features.items()}
        values = {name: probe.measure(features[probe.tap], labels, held_out) for name, probe in self.probes.items()}
        count = int(held_out.sum())
        return values, {name: probe.protocol(len(labels) - count, count) for name, probe in self.probes.items()}


def is_held_out(key: str) -> bool:
    """One half of the pictures, by their names, with all the crops of one picture on one side."""
    return zlib.crc32(key.partition("#")[0].encode()) % 2 == 1


def of_all(rows: list[Tensor]) -> Tensor:
    """Rows of all processes; one that has none finds out how long they are."""
    rank, world = place()
    widths = torch.zeros(world, dtype=torch.int64)
    widths[rank] = rows[0].shape[1] if rows else 0
    width = int(sum_over_group(widths).max())
    return rows_of_all(torch.cat(rows) if rows else torch.zeros(0, width, dtype=torch.float64))
