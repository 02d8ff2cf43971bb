"""The task of wav2vec 2.0 (Baevski et al. 2020, arXiv:2006.11477, section 3.2): find a hidden position's own code.

With c_t the context of a hidden position t and q_t what the quantizer makes of its latent, which is not hidden from it,

    loss = mean over hidden t of -log [ exp(s(c_t, q_t)) / sum over q in {q_t} and D_t of exp(s(c_t, q)) ],

s(c, q) = cos(C c, Q q) / tau, equation 3, with D_t the vectors of other hidden positions of the same item. Codes alone
would fall together; the quantizer's own loss "diversity", equation 4, keeps them in use (quantizers.contrastive).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from signaltok.exactness import full_precision
from signaltok.objectives.masking import MaskedContext
from signaltok.parts import Quantizer, Term
from signaltok.quantizers.identification import Identification
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction


class MaskedNce(Term):
    """Nats a hidden position; ln(1 + distractors) where all scores are equal.

    context: what is hidden, and the network that sees the rest. dim: of the space in which cosines are taken.
    temperature: tau. distractors: how many an item has, of all its hidden positions where it has fewer. ties: "mask",
    as published: distractors whose codes are the position's own do not count; or "keep".
    """

    def __init__(
        self, *, context: MaskedContext, latent_dim: int, dim: int, temperature: float, distractors: int, ties: str
    ) -> None:
        super().__init__()
        if dim < 2:
            raise ValueError(f"dim is {dim}; cosines need 2 or more")
        self.context = context
        self.identification = Identification(
            temperature=temperature, ties=ties, num_negatives=distractors, negatives="item"
        )
        self.to_context, self.to_target = nn.Linear(context.width, dim), nn.Linear(latent_dim, dim)

    def check(self, quantizer: Quantizer) -> None:
        """Raise ValueError where the latent is another, or codes do not lie on its grid."""
        self.context.check(quantizer)

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:  # noqa: ARG002
        """See Term."""
        latent, quantized = reconstruction.latent, reconstruction.quantized
        with torch.autocast(latent.device.type, enabled=False):
            contexts, hidden, generator = self.context(full_precision(latent), reconstruction.mask)
            anchors = self.to_context(contexts.transpose(1, 2)[hidden])
            targets = self.to_target(full_precision(quantized.z_q).transpose(1, 2)[hidden])
            if quantized.codes:
                names = torch.stack([level[hidden] for level in quantized.codes], 1)
            else:  # without codes none is another's equal
                names = torch.arange(len(targets), device=targets.device)[:, None]
            return self.identification(anchors, targets, names, hidden.sum(1), generator)
