"""Teachers: whose features a tokenizer is to keep (objectives.distill).

- FrozenTeacher: a tokenizer trained before, a run or an exported folder, by its path.
- OwnTeacher: a tower that the run trains itself, as another term of the same objective (objectives.tower).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from signaltok.artifact.trained import read_trained
from signaltok.exactness import full_precision
from signaltok.features import Hidden
from signaltok.objectives.tower import TaughtTower
from signaltok.parts import Encoder, Part, Term, any_tensor
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch
from signaltok.types.token_stack import WHOLE, grid_lengths, valid_mask

Features = tuple[Float[Tensor, "b w *l"], Bool[Tensor, "b 1 *l"] | None]


class Teacher(Part, nn.Module, ABC):
    """A batch -> its features, without gradient. width: their channels."""

    width: int

    def meet(self, terms: Mapping[str, Term]) -> None:
        """See Term."""

    @abstractmethod
    def features(self, batch: Batch) -> Features:
        """[b, width, *l] in float32, and which positions are valid, None for all."""


class FrozenTeacher(Teacher):
    """What `embed` of a trained tokenizer gives, up to rounding: here a batch is computed at once.

    path: a run or an exported folder. checkpoint: of a run, best or last. value_range: of the signals of this run,
    which must be the teacher's. The network is held out of parameters, averages and checkpoints (features.Hidden): a
    resumed run reads it again. Raises ValueError where there is no tokenizer at path.
    """

    def __init__(self, *, path: str | None, checkpoint: str, value_range: Sequence[float]) -> None:
        super().__init__()
        if path is None:
            raise ValueError(
                "a frozen teacher needs a path: a run, such as outputs/latest, or an exported tokenizer; an OwnTeacher "
                "is trained by the run itself"
            )
        tokenizer = read_trained(Path(path), checkpoint)
        if not isinstance(tokenizer, Tokenizer):
            raise ValueError(f"{path} holds a {type(tokenizer).__name__}, not a tokenizer")
        if tokenizer.value_range != (float(value_range[0]), float(value_range[1])):
            raise ValueError(
                f"the teacher at {path} reads values in {tokenizer.value_range}, this run's are in {tuple(value_range)}"
            )
        self.width = tokenizer.encoder.latent_dim
        self._encoder = Hidden(tokenizer.encoder)

    def features(self, batch: Batch) -> Features:
        """See Teacher. Raises ValueError for signals that the teacher does not take."""
        encoder: Encoder = self._encoder.on(batch.signal.device)
        if batch.signal.ndim != encoder.axes + 2 or batch.signal.shape[1] != encoder.channels:
            raise ValueError(
                f"the teacher takes {encoder.channels} channels and {encoder.axes} axes, the signals are "
                f"{tuple(batch.signal.shape)}; give another teacher"
            )
        return features_of(encoder, batch)


class OwnTeacher(Teacher):
    """The tower of another term of this objective.

    term: its name. layer: None for the tower's latent, or an encoder that is led, such as one of the tower's layers.
    width: of the features.
    """

    def __init__(self, *, term: str, layer: Encoder | None, width: int) -> None:
        super().__init__()
        if layer is not None and not layer.led:
            raise ValueError(f"layer is a {type(layer).__name__}, which learns its own weights; give one that is led")
        self.term, self.layer, self.width = term, layer, width
        self._towers: tuple[TaughtTower, ...] = ()  # the other term's, so no module of this one

    def meet(self, terms: Mapping[str, Term]) -> None:
        """See Term. ValueError where there is no such tower."""
        found = terms.get(self.term)
        if not isinstance(found, TaughtTower):
            raise ValueError(
                f"the teacher is the term {self.term!r}, which is "
                + (f"a {type(found).__name__}" if found is not None else f"none of {sorted(terms)}")
                + "; name a signaltok.objectives.tower.TaughtTower"
            )
        width = (self.layer or found.encoder).latent_dim
        if width != self.width:
            raise ValueError(f"the teacher's features are said to be {self.width} wide, but are {width}")
        if self.layer is not None:
            found.lead(self.layer)
        self._towers = (found,)

    def features(self, batch: Batch) -> Features:
        """See Teacher."""
        assert self._towers, "the objective has introduced the terms to each other"
        return features_of(self.layer or self._towers[0].settled, batch)


@torch.no_grad()
def features_of(encoder: Encoder, batch: Batch) -> Features:
    """What an encoder gives of a whole batch, and the valid positions."""
    with torch.autocast(batch.signal.device.type, enabled=False):
        latent = full_precision(encoder(batch.signal.to(any_tensor(encoder).dtype), batch.lengths))
    if batch.lengths is None or encoder.tokens is not None:
        return latent, None
    return latent, valid_mask(grid_lengths(batch.lengths, encoder.stride, WHOLE, encoder.lead), tuple(latent.shape[2:]))
