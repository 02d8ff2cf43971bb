"""Lookup-free quantization: the sign of every channel of a small latent; 2^bits codes and no table.

Yu, Lezama et al.: "Language Model Beats Diffusion: Tokenizer is Key to Visual Generation" (2023; MAGVIT-v2), section
3.1: q_i = sign(z_i), the code is sum over i of 2^i [z_i > 0], and the entropy penalty E[H(p)] - H(E[p]) (entropy.py)
keeps the codes in use.
"""

from jaxtyping import Float
from torch import Tensor

from signaltok.quantizers.binary import BinaryQuantizer


class LookupFreeQuantizer(BinaryQuantizer):
    """One level of 2^bits codes with vectors of +-1. Losses: see BinaryQuantizer.

    entropy: None where nothing but the commitment holds the latent; then many codes fall out of use.
    """

    @staticmethod
    def magnitude(bits: int) -> float:  # noqa: ARG004
        """See BinaryQuantizer."""
        return 1.0

    def inner(self, z: Float[Tensor, "b d *l"]) -> Float[Tensor, "b *l inner"]:
        """See BinaryQuantizer."""
        return self.project_in(z.movedim(1, -1))
