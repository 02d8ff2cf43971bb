"""Split quantization: a semantic quantizer beside an acoustic one (Mimi, the codec of Moshi, Défossez et al. 2024).

Both see the same latent, each by linear maps of its own, and what they look up is added:

    z_q = B_s Q_s(A_s z) + B_a Q_a(A_a z),

so what a semantic level is taught (by distillation, say) costs the acoustic levels nothing that they could not say
themselves: no level is the residual of the semantic one. The gradient of z_q to each inner latent, A_s z and A_a z, is
as its quantizer passes it; where both pass it straight through, dz_q / dz = B_s A_s + B_a A_a.

In line (SpeechTokenizer, Zhang et al. 2023, section 3.1) the acoustic levels quantize what the semantic one left,

    z_q = s + B_a Q_a(A_a (z - s)),  s = B_s Q_s(A_s z).

The residual is not cut off, as in a residual stack of levels with maps of their own (quantizers.residual), so

    dz_q / dz = B_s A_s + B_a A_a (I - B_s A_s),

which is the gradient of the same composition without rounding.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import silence
from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.distributed import Draws, rows_of_group
from signaltok.quantizers.projection import check_one_grid, pointwise
from signaltok.types.quantized import Quantized


class SplitQuantizer(Quantizer):
    """Levels: those of `semantic`, then those of `acoustic`; the first so many decode alone.

    semantic, acoustic: quantizers over inner latents of their own widths (their latent_dim). residual: whether the
    acoustic levels see what the semantic ones left, or the latent itself. unquantized: share of the
    items that, in training, go on as their latent itself while both quantizers learn from them too; drawn for the items
    of all processes together. orthogonal: whether A begins as a rotation and B as its transpose (half of it, where both
    sides are beside each other), so that a latent at first passes as it is; else all begin as torch's.
    Losses are means over all levels under the members' own names, which are the same.
    """

    def __init__(
        self,
        *,
        latent_dim: int,
        semantic: Quantizer,
        acoustic: Quantizer,
        residual: bool,
        unquantized: float,
        orthogonal: bool,
    ) -> None:
        super().__init__()
        if not 0 <= unquantized < 1:
            raise ValueError(f"unquantized is a share of the items, at least 0 and under 1, got {unquantized}")
        check_one_grid(semantic)
        check_one_grid(acoustic)
        if semantic.loss_names() != acoustic.loss_names():
            raise ValueError(
                f"semantic and acoustic must have the same losses, got {sorted(semantic.loss_names())} and "
                f"{sorted(acoustic.loss_names())}"
            )
        self.latent_dim, self.residual, self.unquantized = latent_dim, residual, float(unquantized)
        self.to_semantic = nn.Linear(latent_dim, semantic.latent_dim, bias=False)
        self.semantic = semantic
        self.from_semantic = nn.Linear(semantic.latent_dim, latent_dim, bias=False)
        self.to_acoustic = nn.Linear(latent_dim, acoustic.latent_dim, bias=False)
        self.acoustic = acoustic
        self.from_acoustic = nn.Linear(acoustic.latent_dim, latent_dim, bias=False)
        self.draws = Draws() if unquantized > 0 else None
        if orthogonal:
            self._rotate()

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return self.semantic.codebook_sizes + self.acoustic.codebook_sizes

    @property
    def factorised(self) -> bool:
        """See Quantizer."""
        return True

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return self.semantic.loss_names()

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """See Quantizer."""
        semantic = self.semantic.encode(pointwise(self.to_semantic, z).contiguous())
        if self.residual:
            z = z - pointwise(self.from_semantic, self.semantic.decode(semantic))
        return semantic + self.acoustic.encode(pointwise(self.to_acoustic, z).contiguous())

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; the semantic levels, and as many acoustic ones as there are codes for."""
        border = len(self.semantic.codebook_sizes)
        z_q = pointwise(self.from_semantic, self.semantic.decode(codes[:border]))
        if len(codes) <= border:
            return z_q
        return z_q + pointwise(self.from_acoustic, self.acoustic.decode(codes[border:]))

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        first = self.semantic(pointwise(self.to_semantic, z), mask)
        semantic = pointwise(self.from_semantic, first.z_q)
        left = z - semantic if self.residual else z
        members = [first, self.acoustic(pointwise(self.to_acoustic, left), mask)]
        z_q = semantic + pointwise(self.from_acoustic, members[1].z_q)
        if self.draws is not None:
            z_q = torch.where(self._passed(z), z, z_q)
        shares = [len(quantized.codes) / len(self.codebook_sizes) for quantized in members]
        losses = {
            name: shares[0] * value + shares[1] * members[1].losses[name] for name, value in members[0].losses.items()
        }
        active = None
        if any(quantized.active is not None for quantized in members):
            all_on = [torch.ones(len(z), len(own.codes), dtype=torch.bool, device=z.device) for own in members]
            active = torch.cat(
                [on if own.active is None else own.active for own, on in zip(members, all_on, strict=True)], dim=1
            )
        return Quantized(
            z_q=silence(z_q, mask),
            codes=members[0].codes + members[1].codes,
            losses=losses,
            active=active,
            semantic=silence(semantic, mask),
        )

    @torch.no_grad()
    def _rotate(self) -> None:
        for there, back in ((self.to_semantic, self.from_semantic), (self.to_acoustic, self.from_acoustic)):
            nn.init.orthogonal_(there.weight)
            back.weight.copy_(there.weight.T if self.residual else there.weight.T / 2)

    def _passed(self, z: Float[Tensor, "b d *l"]) -> Bool[Tensor, "b ..."]:
        assert self.draws is not None
        generator = self.draws.next()
        batch, before = rows_of_group(z)
        drawn = torch.rand(batch, generator=generator) < self.unquantized
        return drawn[before : before + len(z)].view(-1, *[1] * (z.ndim - 1)).to(z.device)

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer; decoded: what a code adds."""
        with torch.no_grad():
            return tuple(
                CodeVectors(searched=own.searched, decoded=layer(own.decoded))
                for member, layer in ((self.semantic, self.from_semantic), (self.acoustic, self.from_acoustic))
                for own in member.code_vectors()
            )
