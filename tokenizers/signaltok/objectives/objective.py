"""Objective: total = sum over terms of weight * raw value."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from signaltok.exactness import full_precision
from signaltok.parts import Alignment, Encoder, Part, Quantizer, Term
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.transcript import Transcript


class Objective(Part, nn.Module):
    """Terms by name and one weight for each; the names are those that are logged."""

    def __init__(self, *, terms: dict[str, Term], weights: dict[str, float]) -> None:
        super().__init__()
        if not terms:
            raise ValueError("an objective needs at least one term under objective.terms, got none")
        if terms.keys() != weights.keys():
            raise ValueError(
                f"objective.terms has {sorted(terms)} and objective.weights has {sorted(weights)}; "
                f"give each term one weight: {_difference(terms, weights)}"
            )
        for name, weight in weights.items():
            if not math.isfinite(weight) or weight < 0:
                raise ValueError(f"objective.weights.{name} must be a finite number of at least 0, got {weight}")
        self.terms = nn.ModuleDict(terms)
        self.weights = {name: float(weight) for name, weight in weights.items()}
        for name, term in terms.items():
            with _named(name):
                term.meet(terms)

    def check(self, quantizer: Quantizer) -> None:
        """Raise ValueError, before the first step, where a term cannot be computed with this quantizer, or where the
        quantizer must be given what no term gives.
        """
        if quantizer.given:
            names = " and a ".join(sorted(quantizer.given))
            raise ValueError(
                f"the quantizer's anchor is a {names}, which nothing in this run gives; "
                "take quantizer.anchor=self, or call quantizer(z, mask, anchor=...) in a training loop of your own"
            )
        for name, term in self.terms.items():
            assert isinstance(term, Term), f"{name} is a {type(term).__name__}, not a Term"
            with _named(name):
                term.check(quantizer)

    def lead(self, encoder: Encoder) -> None:
        """Told before the first step the tokenizer's encoder. ValueError where it is led and no term leads it."""
        if not encoder.led:
            return
        for name, term in self.terms.items():
            assert isinstance(term, Term), f"{name} is a {type(term).__name__}, not a Term"
            with _named(name):
                if term.lead(encoder):
                    return
        raise ValueError(
            f"encoder is a {type(encoder).__name__}, which learns nothing itself, and no term gives it weights; take "
            "objective=units, or give the objective a signaltok.objectives.tower.TaughtTower"
        )

    def advance(self, progress: float) -> None:
        """Told before each training step which share of the run is done, 0 to 1; passed on to every term."""
        for term in self.modules():
            if isinstance(term, Term):
                term.progress = progress

    def check_fields(self, fields: frozenset[str]) -> None:
        """Raise ValueError, before the first step, where a term needs a field of the batch that the data lack."""
        for name, term in self.terms.items():
            missing = sorted(term.needs - fields)  # type: ignore[operator]
            if missing:
                raise ValueError(
                    f"objective.terms.{name} needs {' and '.join(missing)} with each item, which these data have not; "
                    "take data that do (data=emoji has text), or leave the term and its weight out"
                )

    def check_transcripts(self, transcripts: Sequence[Transcript], stride: int) -> None:
        """Told before the first step what is said in the items; passed on to every term."""
        for name, term in self.terms.items():
            assert isinstance(term, Term), f"{name} is a {type(term).__name__}, not a Term"
            with _named(name):
                term.check_transcripts(transcripts, stride)

    @property
    def alignment(self) -> Alignment | None:
        """The term that compares items with their text or pair, the first where there are several; None without."""
        return next((term for term in self.terms.values() if isinstance(term, Alignment)), None)

    def forward(
        self, batch: Batch, reconstruction: Reconstruction
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The weighted total, which carries the gradient, and each term's raw value, detached."""
        raw = self.values(batch, reconstruction)
        return self.total(raw), {name: value.detach() for name, value in raw.items()}

    def values(self, batch: Batch, reconstruction: Reconstruction) -> dict[str, Float[Tensor, ""]]:
        """Each term's raw value, which carries its gradient."""
        return {name: term(batch, reconstruction) for name, term in self.terms.items()}

    def total(self, values: dict[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The weighted total of the terms' raw values."""
        return torch.stack([self.weights[name] * full_precision(value) for name, value in values.items()]).sum()


@contextmanager
def _named(name: str) -> Iterator[None]:
    """What is wrong with a term is said with its name."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"objective.terms.{name}: {error}") from None


def _difference(terms: Iterable[str], weights: Iterable[str]) -> str:
    without_weight, without_term = sorted(set(terms) - set(weights)), sorted(set(weights) - set(terms))
    parts = [f"{name} has no weight" for name in without_weight] + [f"{name} has no term" for name in without_term]
    return ", ".join(parts)
