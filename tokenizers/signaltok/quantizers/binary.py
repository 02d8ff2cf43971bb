"""What lookup-free quantizers share: a code is the signs of a small latent, bit i the sign of channel i."""

from abc import abstractmethod

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.estimator import straight_through
from signaltok.quantizers.codebook.update import mean_square
from signaltok.quantizers.entropy import CodeEntropy
from signaltok.types.quantized import Quantized

LARGEST_BITS = 32  # of one code
LARGEST_TABLE = 65536  # codes for which the vectors are listed


class BinaryQuantizer(Quantizer):
    """One level of 2^bits codes that are never listed: the code is sum over i of 2^i [inner_i > 0].

    Where bits differ from the latent channels a linear map leads to them and another one back. z_q has the value
    +-magnitude on every inner channel and the straight-through gradient, one, to the inner latent. Losses:
    "commitment", the mean squared distance of the inner latent to its code, and with an entropy those of CodeEntropy.
    """

    scale: Tensor

    def __init__(self, *, latent_dim: int, bits: int, entropy: CodeEntropy | None) -> None:
        super().__init__()
        if not 1 <= bits <= LARGEST_BITS:
            raise ValueError(f"bits must be 1 to {LARGEST_BITS}, got {bits}; a code is one integer of 32 bits")
        if entropy is not None:
            entropy.check(2**bits)
        self.latent_dim, self.bits, self.entropy = latent_dim, bits, entropy
        projects = latent_dim != bits
        self.project_in = nn.Linear(latent_dim, bits) if projects else nn.Identity()
        self.project_out = nn.Linear(bits, latent_dim) if projects else nn.Identity()
        # A buffer, because a module in float64 must give its vectors in float64.
        self.register_buffer("scale", torch.tensor(self.magnitude(bits)), persistent=False)

    @staticmethod
    @abstractmethod
    def magnitude(bits: int) -> float:
        """The absolute value of every coordinate of a code's vector."""

    @abstractmethod
    def inner(self, z: Float[Tensor, "b d *l"]) -> Float[Tensor, "b *l inner"]:
        """The latent whose signs are taken, channels last."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """One level of 2^bits codes."""
        return (2**self.bits,)

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return frozenset({"commitment"}) | (frozenset() if self.entropy is None else self.entropy.names)

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """The signs as the bits of an integer; zero counts as negative."""
        return (codes_of(self.inner(z)),)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """The vectors of the codes."""
        (level,) = codes
        return self.project_out(self._vectors(level)).movedim(-1, 1)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        inner = self.inner(z)
        codes = codes_of(inner)
        vectors = self._vectors(codes)
        valid = slice(None) if mask is None else mask.flatten()
        rows, chosen = inner.flatten(0, -2)[valid], vectors.flatten(0, -2)[valid]
        losses = {"commitment": mean_square(rows, chosen)}
        if self.entropy is not None:
            values = torch.stack([-self.scale, self.scale])
            losses |= self.entropy.losses(rows, [values] * self.bits, self.progress)
        z_q = self.project_out(straight_through(inner, vectors)).movedim(-1, 1)
        return Quantized(z_q=z_q if mask is None else z_q * mask, codes=(codes,), losses=losses)

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """All vectors of a book of at most LARGEST_TABLE codes; larger books have no table."""
        (size,) = self.codebook_sizes
        if size > LARGEST_TABLE:
            return ()
        with torch.no_grad():
            searched = self._vectors(torch.arange(size, device=self.scale.device))
            return (CodeVectors(searched=searched, decoded=self.project_out(searched)),)

    def _vectors(self, codes: Int64[Tensor, "*n"]) -> Float[Tensor, "*n bits"]:
        bits = codes[..., None] >> torch.arange(self.bits, device=codes.device) & 1
        return torch.where(bits == 1, self.scale, -self.scale)


def codes_of(inner: Float[Tensor, "*n bits"]) -> Int64[Tensor, "*n"]:
    """Sum over i of 2^i [inner_i > 0], in integers of 64 bits: half-precision floats count exactly to 2,048 or 256."""
    positive = (inner > 0).long()
    return (positive << torch.arange(inner.shape[-1], device=inner.device)).sum(-1)
