"""No quantization: continuous tokens, and the ceiling that a quantizer is compared with."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from signaltok.parts import Quantizer
from signaltok.types.quantized import Quantized


class IdentityQuantizer(Quantizer):
    """z_q is z; there are no codes.

    The one exception to the laws, in these points: its stack has zero levels, encode and decode raise ValueError,
    and forward in eval mode is z itself instead of decode(encode(z)).
    """

    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """No levels."""
        return ()

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """Raise ValueError: there are no codes."""
        raise ValueError(
            f"the identity quantizer has no codes (latent of shape {tuple(z.shape)}); "
            "Tokenizer.embed gives its continuous tokens, another quantizer gives codes"
        )

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """Raise ValueError: there are no codes."""
        raise ValueError(
            f"the identity quantizer has no codes to decode, got {len(codes)} levels; "
            "give Tokenizer.decode the codes of the tokenizer that made them"
        )

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """The latent as it is."""
        del mask
        return Quantized(z_q=z, codes=())

    def forward(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None = None) -> Quantized:
        """The latent as it is, in both modes: the named exception to law 1."""
        with torch.autocast(z.device.type, enabled=False):
            return self.learn(z.float() if z.dtype in (torch.bfloat16, torch.float16) else z, mask)
