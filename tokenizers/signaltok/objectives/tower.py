"""A tower that a run trains beside its tokenizer, so that the tokenizer can learn from it (objectives.teacher).

Where no trained teacher is at hand, it is trained in the first part of the run by a term of its own, such as the
contrast with texts, and then stands still: the features that codes are distilled from may not go on moving while codes
settle. Or it is a trained tokenizer's encoder, which stands still from the first step.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.artifact.trained import read_trained
from signaltok.parts import Encoder, Quantizer, Term
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import WHOLE, grid_lengths, valid_mask
from signaltok.types.transcript import Transcript


class TaughtTower(Term):
    """What `term` says of the tower's latent, in the first share `until` of the run; afterwards 0, and nothing changes.

    encoder: the tower. term: sees the tower's latent as that of a tokenizer without a quantizer. path: None, or a run
    or an exported tokenizer, whose encoder takes the tower's place and is not trained at all; checkpoint: of a run,
    best or last. settled: the weights of the last step before `until`, and until then those of this step; it is what
    others learn from, in eval mode, has no gradient, and is in checkpoints. An encoder of the tokenizer that is led
    follows it.
    """

    def __init__(self, *, encoder: Encoder, term: Term, until: float, path: str | None, checkpoint: str) -> None:
        super().__init__()
        if not 0 < until <= 1:
            raise ValueError(f"until is {until}; it is a share of the run, above 0 and up to 1")
        if path is not None:
            tokenizer = read_trained(Path(path), checkpoint)
            if not isinstance(tokenizer, Tokenizer):
                raise ValueError(f"{path} holds a {type(tokenizer).__name__}, not a tokenizer")
            encoder = tokenizer.encoder.requires_grad_(not tokenizer.encoder.led)
        self.encoder, self.term, self.until = encoder, term, until if path is None else 0.0
        self.needs = term.needs if path is None else frozenset()
        self.settled = copy.deepcopy(encoder).requires_grad_(False).eval()
        self._followers: tuple[Encoder, ...] = ()  # the tokenizer's, so no module of this one

    def train(self, mode: bool = True) -> "TaughtTower":
        """What others learn from is what the tower gives outside training: nothing masked, no statistics of a batch."""
        super().train(mode)
        self.settled.eval()
        return self

    def lead(self, encoder: Encoder) -> bool:
        """See Term."""
        encoder.follow(self.settled)
        self._followers = (*self._followers, encoder)
        return True

    def check(self, quantizer: Quantizer) -> None:  # noqa: ARG002
        """Raise ValueError where the term cannot be computed of the tower's latent."""
        if self.until:
            self.term.check(IdentityQuantizer(latent_dim=self.encoder.latent_dim))

    def check_transcripts(self, transcripts: Sequence[Transcript], stride: int) -> None:  # noqa: ARG002
        """See Term."""
        if self.until:
            self.term.check_transcripts(transcripts, self.encoder.stride[0])

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:  # noqa: ARG002
        """The term's value. A zero of the parameters afterwards: in every step each of them has a gradient."""
        if self.progress >= self.until:
            return (
                torch.stack([parameter.sum() for parameter in self.parameters() if parameter.requires_grad]).sum() * 0
            )
        with torch.no_grad():
            for mine, learned in zip(self.settled.parameters(), self.encoder.parameters(), strict=True):
                mine.copy_(learned)
            for mine, learned in zip(self.settled.buffers(), self.encoder.buffers(), strict=True):
                mine.copy_(learned)
        for follower in self._followers:
            follower.follow(self.settled)
        latent, mask = self.encoder(batch.signal, batch.lengths), None
        if batch.lengths is not None and self.encoder.tokens is None:
            mask = valid_mask(
                grid_lengths(batch.lengths, self.encoder.stride, WHOLE, self.encoder.lead), tuple(latent.shape[2:])
            )
        seen = Reconstruction(signal=batch.signal, quantized=Quantized(z_q=latent, codes=()), latent=latent, mask=mask)
        return self.term(batch, seen)
