"""The task of BEST-RQ (Chiu et al. 2022, arXiv:2202.01855, section 3) and HuBERT: tell the codes of hidden positions.

The codes are those of the run's own quantizer, of latents of which nothing is hidden. With a softmax over the codes of
each level, the loss is the mean cross entropy over hidden positions and levels. No gradient goes to the codes: they are
to be a quantizer's that does not move, such as quantizer=random_projection.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.exactness import full_precision
from signaltok.objectives.masking import MaskedContext
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction


class MaskedCode(Term):
    """Nats a hidden position and level; ln K where all of K codes seem equally likely.

    context: what is hidden, and the network that sees the rest. Its heads, one a level, are made when `check` is told
    the quantizer, whose codebook sizes they have.
    """

    def __init__(self, *, context: MaskedContext) -> None:
        super().__init__()
        self.context = context
        self.heads = nn.ModuleList()

    def check(self, quantizer: Quantizer) -> None:
        """Make the heads. Raise ValueError where there are no codes, or they do not lie on the latent's grid."""
        self.context.check(quantizer)
        sizes = quantizer.codebook_sizes
        if not sizes:
            raise ValueError(f"{type(quantizer).__name__} has no codes that could be told; take quantizer=vq")
        if [head.out_features for head in self.heads] != [*sizes]:
            self.heads = nn.ModuleList(nn.Linear(self.context.width, size) for size in sizes)

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:  # noqa: ARG002
        """See Term."""
        assert len(self.heads) == len(reconstruction.quantized.codes), "check is told the quantizer first"
        latent = full_precision(reconstruction.latent)
        with torch.autocast(latent.device.type, enabled=False):
            contexts, hidden, _ = self.context(latent, reconstruction.mask)
            seen = contexts.transpose(1, 2)[hidden]
            levels = zip(self.heads, reconstruction.quantized.codes, strict=True)
            sums = [F.cross_entropy(head(seen), codes[hidden], reduction="sum") for head, codes in levels]
        count = len(seen) * len(sums)
        return part_of_group_mean(torch.stack(sums).sum() / max(1, count), count)
