"""Binary spherical quantization: lookup-free codes on the unit sphere, +-1/sqrt(bits) on every channel.

Zhao, Xiong, Kraehenbuehl: "Image and Video Tokenization with Binary Spherical Quantization" (2024):
u = v / |v| and u_q = sign(u) / sqrt(bits), so that the distance of latent and code is bounded. The paper's entropy of
the mean distribution is a sum over coordinates or groups, an upper bound; here it is exact (entropy.py).
"""

import math

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from signaltok.quantizers.binary import BinaryQuantizer


class BinarySphericalQuantizer(BinaryQuantizer):
    """One level of 2^bits codes with vectors of length one. Losses: see BinaryQuantizer.

    The inner latent, to which z_q has the gradient one, is the projected latent divided by its length.
    """

    @staticmethod
    def magnitude(bits: int) -> float:
        """See BinaryQuantizer."""
        return 1 / math.sqrt(bits)

    def inner(self, z: Float[Tensor, "b d *l"]) -> Float[Tensor, "b *l inner"]:
        """See BinaryQuantizer."""
        return F.normalize(self.project_in(z.movedim(1, -1)), dim=-1)
