"""The greedy path of connectionist temporal classification (Graves et al. 2006, section 3.2) as a quantizer.

The latent is a score of each token of a vocabulary, the last one of the blank. The code of a cell is its best score,
and its vector is the unit vector of that channel. The tokens themselves are the path without repeats and blanks, which
a Tokenizer makes of it because this quantizer names a `blank`.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from signaltok.parts import Quantizer
from signaltok.types.quantized import Quantized


class CtcQuantizer(Quantizer):
    """latent_dim: tokens of the vocabulary and the blank; also the size of the one codebook. It has no parameters.

    Of equal scores the first is taken. The gradient passes from z_q to the latent as it is; what is learned is
    learned by objectives.ctc, from the scores.
    """

    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        if latent_dim < 2:
            raise ValueError(f"quantizer.latent_dim is {latent_dim}; it is a token or more and the blank")
        self.latent_dim, self.blank = latent_dim, latent_dim - 1

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """One level; the last code is the blank."""
        return (self.latent_dim,)

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """See Quantizer."""
        return (z.argmax(1),)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer."""
        (path,) = codes
        return F.one_hot(path, self.latent_dim).movedim(-1, 1).to(torch.float32)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        del mask
        codes = self.encode(z.detach())
        vectors = self.decode(codes).to(z.dtype)
        return Quantized(z_q=vectors + (z - z.detach()), codes=codes)
