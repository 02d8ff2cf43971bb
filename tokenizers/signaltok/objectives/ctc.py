"""Connectionist temporal classification (Graves et al. 2006, section 4): what is said in an item, without alignment.

The latent is a score of each token, the last channel of the blank. The loss of an item is the negative logarithm of
the probability of all paths over its cells that collapse to its transcript.
"""

import logging
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from signaltok.exactness import full_precision
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.text.spelling import Spelling
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import mask_lengths
from signaltok.types.transcript import Transcript

PER = ("token", "item")
UNFIT = ("error", "leave_out")
NAMED = 8  # items that do not fit, beyond which they are counted only
_log = logging.getLogger(__name__)


def least_cells(ids: Sequence[int]) -> int:
    """Cells that the shortest path of these tokens has: one each, and a blank between equal neighbours."""
    return len(ids) + sum(one == other for one, other in pairwise(ids))


class Ctc(Term):
    """0 where each item's transcript is certain.

    spelling: of the transcripts. per: what the mean is over, "token" (the sum over the batch by its number of target
    tokens) or "item" (of each item's loss by its own). unfit: what happens with items of train that have no path (too
    few cells for their transcript, counting equal neighbours, or a transcript that the spelling cannot write): "error"
    before the first step, or "leave_out": they are counted and named in a warning, and have no loss.
    """

    needs = frozenset({"text"})

    def __init__(self, *, spelling: Spelling, per: str, unfit: str) -> None:
        super().__init__()
        for name, value, known in (("per", per, PER), ("unfit", unfit, UNFIT)):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; it is one of {', '.join(known)}")
        self.spelling, self.per, self.unfit = spelling, per, unfit

    def check(self, quantizer: Quantizer) -> None:
        """Raise ValueError where the latent has another number of channels than tokens and a blank."""
        if quantizer.latent_dim != self.spelling.size + 1:
            raise ValueError(
                f"the spelling has {self.spelling.size} tokens, and with the blank the latent needs "
                f"{self.spelling.size + 1} channels, not {quantizer.latent_dim}; set encoder.latent_dim to that"
            )

    def check_transcripts(self, transcripts: Sequence[Transcript], stride: int) -> None:
        """Raise ValueError, or warn, naming the items of train that have no path, and why."""
        problems = {}
        for item in transcripts:
            reason = self._reason(item.text, -(-item.least // stride)) if item.split == "train" else None
            if reason is not None:
                problems[item.key] = reason
        if not problems:
            return
        named = "; ".join(f"{key}: {reason}" for key, reason in list(problems.items())[:NAMED])
        more = f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        words = f"{len(problems)} items of train cannot be learned: {named}{more}"
        if self.unfit == "error":
            raise ValueError(f"{words}. Mend or remove them, or set objective.terms.ctc.unfit=leave_out")
        _log.warning("%s. They have no loss (unfit=leave_out)", words)

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """Raises ValueError for an item without a path where unfit is "error", and for a batch without text."""
        if batch.text is None:
            raise ValueError("the batch has no text, which this term is the loss of")
        latent, mask = reconstruction.latent, reconstruction.mask
        cells = [latent.shape[2]] * len(latent) if mask is None else mask_lengths(mask)[:, 0].tolist()
        chosen = []
        for number, (text, size) in enumerate(zip(batch.text, cells, strict=True)):
            reason = self._reason(text, size)
            if reason is None:
                chosen.append(number)
            elif self.unfit == "error":
                raise ValueError(f"{batch.keys[number]} cannot be learned: {reason}")
        targets = [self.spelling.ids(batch.text[number]) for number in chosen]
        count = sum(map(len, targets)) if self.per == "token" else len(targets)
        if not chosen:
            return part_of_group_mean(full_precision(latent).sum() * 0.0, 0)
        with torch.autocast(latent.device.type, enabled=False):
            scores = full_precision(latent[chosen]).permute(2, 0, 1).log_softmax(2)
            losses = F.ctc_loss(
                scores,
                torch.tensor([token for own in targets for token in own], device=scores.device),
                torch.tensor([cells[number] for number in chosen]),
                torch.tensor([len(own) for own in targets]),
                blank=self.spelling.size,
                reduction="none",
            )
            if self.per == "item":
                losses = losses / losses.new_tensor([len(own) for own in targets])
        return part_of_group_mean(losses.sum() / count, count)

    def _reason(self, text: str, cells: int) -> str | None:
        """Why there is no path; None where there is."""
        try:
            ids = self.spelling.ids(text)
        except ValueError as error:
            return str(error)
        if not ids:
            return "the transcript is empty"
        least = least_cells(ids)
        return f"{len(ids)} tokens need {least} cells, it has {cells}" if cells < least else None
