"""Error rates of text: edits over reference length, added up over a split (not a mean of the items' rates)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from signaltok.parts import Part
from signaltok.processes import sum_over_group
from signaltok.text import normalise
from signaltok.text.edits import edits
from signaltok.text.spelling import Spelling
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch
from signaltok.types.token_stack import TokenStack

UNITS = ("character", "word")
KEPT = 64  # texts that are kept to be looked at


class ErrorRate(Part):
    """Of characters or words, of texts that went through a normaliser, whose name the metric's key must hold."""

    def __init__(self, *, unit: str, normaliser: str) -> None:
        if unit not in UNITS:
            raise ValueError(f"unit is {unit!r}; it is one of {', '.join(UNITS)}")
        self.unit, self.named_by, self._normalised = unit, normaliser, normalise.normaliser(normaliser)

    def symbols(self, text: str, spoken: bool) -> Sequence[str] | None:  # noqa: ARG002
        """What is compared of a text. spoken: whether it is the reference."""
        text = self._normalised(text)
        return text if self.unit == "character" else text.split()

    def words(self) -> str:
        """What the number is."""
        return f"{self.unit}s, normaliser {self.named_by}"


class SymbolErrorRate(Part):
    """Of the symbols of a spelling, such as phonemes; name: of the spelling, which the metric's key must hold.

    Items whose reference the spelling cannot write are left out and counted.
    """

    def __init__(self, *, spelling: Spelling, name: str) -> None:
        self.spelling, self.named_by = spelling, name

    def symbols(self, text: str, spoken: bool) -> Sequence[str] | None:
        """See ErrorRate; None where the reference cannot be written."""
        if not spoken:
            return text.split()
        try:
            return self.spelling.pieces(self.spelling.ids(text))
        except ValueError:
            return None

    def words(self) -> str:
        """What the number is."""
        return f"symbols of {self.named_by}"


class TextSets:
    """What was said and what was read, over a split; of all processes where there are several."""

    def __init__(self, metrics: dict[str, ErrorRate | SymbolErrorRate]) -> None:
        for name, metric in metrics.items():
            if metric.named_by not in name:
                raise ValueError(
                    f"metrics.{name} compares by {metric.named_by}, without which its value means nothing; name it so, "
                    f"such as {name}_{metric.named_by}"
                )
        self.metrics = metrics
        self._sums = torch.zeros(len(metrics), 4, dtype=torch.int64)  # edits, reference, items, left out
        self.kept: list[tuple[str, str, str]] = []  # key, what was said, what was read

    def add(self, batch: Batch, tokenizer: Tokenizer, stack: TokenStack | None) -> None:
        """A batch. Raises ValueError where it has no text, or the tokenizer gives none."""
        if not self.metrics:
            return
        if batch.text is None:
            raise ValueError(f"{', '.join(sorted(self.metrics))} need items with text; take data with transcripts")
        if stack is None:
            raise ValueError(f"{', '.join(sorted(self.metrics))} need a tokenizer with codes, which say what was said")
        found = tokenizer.text(stack)
        for key, said, read in zip(batch.keys, batch.text, found, strict=True):
            for number, metric in enumerate(self.metrics.values()):
                self._sums[number] += self._of_item(metric, said, read)
            if len(self.kept) < KEPT:
                self.kept.append((key, said, read))

    def results(self) -> tuple[dict[str, float], dict[str, str]]:
        """Every value and protocol; the same on all processes."""
        if not self.metrics:
            return {}, {}
        values, protocols = {}, {}
        for (name, metric), sums in zip(self.metrics.items(), sum_over_group(self._sums).tolist(), strict=True):
            wrong, length, items, missing = sums
            if not length:
                raise ValueError(f"{name} has no reference: no item of the split has text that it can compare")
            values[name] = wrong / length
            left_out = f"; {missing} items left out, whose text the spelling cannot write" if missing else ""
            protocols[name] = f"{wrong} edits over {length} {metric.words()}, {items} items{left_out}"
        return values, protocols

    @staticmethod
    def _of_item(metric: ErrorRate | SymbolErrorRate, said: str, read: str) -> Tensor:
        reference = metric.symbols(said, spoken=True)
        if reference is None:
            return torch.tensor([0, 0, 0, 1])
        found = metric.symbols(read, spoken=False)
        assert found is not None, "what was read is always there"
        return torch.tensor([edits(reference, found), len(reference), 1, 0])
