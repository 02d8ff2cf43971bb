"""Residual quantization: each level quantizes what the levels before it left (SoundStream, Zeghidour et al. 2021, 3.3).

r_0 = z, c_q = Q_q(r_q), r_{q+1} = r_q - sg[Q_q(r_q)], z_q = sum of the levels. The gradient of z_q to the inner
latent is exactly one, and each level's own losses reach the encoder through r_q.
"""

import copy

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.estimator import straight_through
from signaltok.quantizers.distributed import Draws, draw_apart, rows_of_group
from signaltok.types.quantized import Quantized


class ResidualQuantizer(Quantizer):
    """num_codebooks levels, each built like `level`, over one projection of the latent.

    level: a quantizer over the inner latent (its latent_dim is the width of the levels). dropout: share of the items
    that, in training, use only a random number of levels, drawn for the items of all processes together; what they
    leave out is told by `active`, takes part in no loss and no statistic. Losses are means over levels under the
    levels' own names.
    """

    def __init__(self, *, latent_dim: int, num_codebooks: int, level: Quantizer, dropout: float) -> None:
        super().__init__()
        if num_codebooks < 1:
            raise ValueError(f"num_codebooks must be at least 1, got {num_codebooks}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is a share of the items, 0 to 1, got {dropout}")
        widths = {vectors.searched.shape[1] for vectors in level.code_vectors()}
        if widths - {level.latent_dim}:
            raise ValueError(
                f"a level must search at its own width of {level.latent_dim}, not at {sorted(widths)}: only the outer "
                "projection's gradient passes a residual stack exactly; give level.codebook_dim = level.latent_dim"
            )
        self.latent_dim, self.dropout = latent_dim, dropout
        self.inner_dim = level.latent_dim
        projected = latent_dim != self.inner_dim
        self.project_in = nn.Linear(latent_dim, self.inner_dim) if projected else nn.Identity()
        self.project_out = nn.Linear(self.inner_dim, latent_dim) if projected else nn.Identity()
        self.levels = nn.ModuleList(copy.deepcopy(level) for _ in range(num_codebooks))
        for number, copied in enumerate(self.levels):
            draw_apart(copied, number)
        self.draws = Draws() if dropout > 0 else None

    def _quantizers(self) -> list[Quantizer]:
        return list(self.levels)  # type: ignore[arg-type]

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return tuple(size for level in self._quantizers() for size in level.codebook_sizes)

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return self._quantizers()[0].loss_names()

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """See Quantizer."""
        residual, codes = _pointwise(self.project_in, z), []
        for level in self._quantizers():
            found = level.encode(residual)
            residual = residual - level.decode(found)
            codes.extend(found)
        return tuple(codes)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; any prefix of the levels decodes."""
        per_level = len(self._quantizers()[0].codebook_sizes)
        total = None
        for number, level in enumerate(self._quantizers()[: len(codes) // per_level]):
            vectors = level.decode(codes[number * per_level : (number + 1) * per_level])
            total = vectors if total is None else total + vectors
        assert total is not None, "decode needs the codes of at least one level"
        return _pointwise(self.project_out, total)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        inner = _pointwise(self.project_in, z)
        active = self._active(z)
        residual, total, codes, losses = inner, torch.zeros_like(inner), [], {}
        for number, level in enumerate(self._quantizers()):
            used = None if active is None else active[:, number].view(-1, 1, *[1] * (z.ndim - 2))
            valid = mask if used is None else used.expand(-1, 1, *z.shape[2:]) if mask is None else mask & used
            quantized = level(residual, valid)
            step = quantized.z_q.detach()
            residual, total = residual - step, total + step
            codes.extend(quantized.codes)
            for name, value in quantized.losses.items():
                losses[name] = losses.get(name, 0) + value / len(self.levels)
        z_q = _pointwise(self.project_out, straight_through(inner, total))
        return Quantized(z_q=z_q if mask is None else z_q * mask, codes=tuple(codes), losses=losses, active=active)

    def _active(self, z: Float[Tensor, "b d *l"]) -> Bool[Tensor, "b q"] | None:
        """Which levels each item uses; the first always. Drawn for the concatenated batch, of which ours is a slice."""
        if self.draws is None:
            return None
        count, generator = len(self.levels), self.draws.next()
        batch, before = rows_of_group(z)
        kept = torch.randint(1, count + 1, (batch,), generator=generator)
        kept = torch.where(torch.rand(batch, generator=generator) < self.dropout, kept, count)
        kept = kept[before : before + len(z)]
        per_level = len(self._quantizers()[0].codebook_sizes)
        return (torch.arange(count) < kept[:, None]).repeat_interleave(per_level, dim=1).to(z.device)

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer; decoded: a level's own share, the projection's constant in the first level alone."""
        vectors = []
        with torch.no_grad():
            for number, level in enumerate(self._quantizers()):
                for own in level.code_vectors():
                    decoded = self.project_out(own.decoded)
                    if number and isinstance(self.project_out, nn.Linear):
                        decoded = decoded - self.project_out.bias
                    vectors.append(CodeVectors(searched=own.searched, decoded=decoded))
        return tuple(vectors)


def _pointwise(layer: nn.Module, z: Float[Tensor, "b d *l"]) -> Float[Tensor, "b out *l"]:
    """A linear layer over the channels at every position."""
    return z if isinstance(layer, nn.Identity) else layer(z.movedim(1, -1)).movedim(-1, 1)
