"""Residual quantization: each level quantizes what the levels before it left (SoundStream, Zeghidour et al. 2021, 3.3).

r_0 = z, c_q = Q_q(r_q), r_{q+1} = r_q - sg[Q_q(r_q)], z_q = sum of the levels. The gradient of z_q to the inner
latent is exactly one, and each level's own losses reach the encoder through r_q.

Factorised levels (DAC, Kumar et al. 2023, section 3.2) reach their codes by maps of their own, Q_q(r) = B_q e(A_q r).
These learn through z_q, so there the gradient passes every level: each inner latent A_q r_q gets its level's gradient
exactly (or by the level's own estimator), the residual is not cut off, and with J_q = B_q A_q

    dz_q / dz = I - (I - J_{n-1}) ... (I - J_0),

which is the gradient of the same stack without rounding. (Cut off, it would be the sum of the J_q, up to n times too
large.) RQ-VAE (Lee et al. 2022, section 3.1) is the stack whose levels share one codebook.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.estimator import straight_through
from signaltok.quantizers.copies import levels_of, rotate
from signaltok.quantizers.distributed import Draws, rows_of_group
from signaltok.quantizers.late import take_late_start
from signaltok.quantizers.narrow import NarrowStack, narrow_levels
from signaltok.quantizers.projection import channels_last, check_one_grid, pointwise, projection
from signaltok.quantizers.wide import WideStack, wide_levels
from signaltok.types.quantized import Quantized


class ResidualQuantizer(Quantizer):
    """num_codebooks levels, each built like `level`, over one projection of the latent.

    level: a quantizer over the inner latent (its latent_dim is the width of the levels); with the estimator LateStart
    it is the stack that starts late (quantizers.late). shared: whether the levels
    are one and the same quantizer. rescale: level q quantizes its residual times rescale^q; above one for levels whose
    vectors cannot shrink with the residual, as those of FSQ. dropout: share of the items that, in training, use only
    a random number of levels, drawn for the items of all processes together; what they leave out is told by
    `active`, takes part in no vector, no loss and no statistic. choices: the numbers of levels among which those items
    draw (EnCodec's bandwidths), all equally likely; None: any from 1 to num_codebooks. orthogonal: whether the maps,
    the stack's and those of its levels, begin as rotations (quantizers.copies). Losses are means over levels under the
    levels' own names.
    """

    def __init__(
        self,
        *,
        latent_dim: int,
        num_codebooks: int,
        level: Quantizer,
        shared: bool,
        rescale: float,
        dropout: float,
        choices: list[int] | None,
        orthogonal: bool,
    ) -> None:
        super().__init__()
        if num_codebooks < 1:
            raise ValueError(f"num_codebooks must be at least 1, got {num_codebooks}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is a share of the items, 0 to 1, got {dropout}")
        if rescale < 1:
            raise ValueError(f"rescale enlarges what is left and must be at least 1, got {rescale}")
        if choices is not None and (
            list(choices) != sorted(set(choices)) or not 1 <= min(choices, default=0) <= max(choices) <= num_codebooks
        ):
            raise ValueError(
                f"choices are ascending numbers of levels, each once, from 1 to num_codebooks={num_codebooks}, "
                f"got {list(choices)}"
            )
        check_one_grid(level)
        self.choices = range(1, num_codebooks + 1) if choices is None else tuple(choices)
        self.latent_dim, self.dropout = latent_dim, dropout
        self.num_codebooks, self.rescale = num_codebooks, float(rescale)
        self.inner_dim = level.latent_dim
        self.project_in = projection(latent_dim, self.inner_dim)
        self.project_out = projection(self.inner_dim, latent_dim)
        if orthogonal:
            rotate(self.project_in, self.project_out)
        self.levels = levels_of(level, 1 if shared else num_codebooks, orthogonal=orthogonal)
        self.late_start = take_late_start(self._quantizers())
        self.draws = Draws() if dropout > 0 else None

    def _quantizers(self) -> list[Quantizer]:
        """The quantizer of every level: one and the same where they share it."""
        levels: list[Quantizer] = list(self.levels)  # type: ignore[arg-type]
        return levels if len(levels) == self.num_codebooks else levels * self.num_codebooks

    def _scaled(self) -> list[tuple[Quantizer, float]]:
        return [(level, self.rescale**number) for number, level in enumerate(self._quantizers())]

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return tuple(size for level in self._quantizers() for size in level.codebook_sizes)

    @property
    def factorised(self) -> bool:
        """See Quantizer."""
        return self.inner_dim != self.latent_dim or self._quantizers()[0].factorised

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return self._quantizers()[0].loss_names()

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """See Quantizer."""
        stack = self._stack()
        if stack is not None:
            rows, shape = _rows(pointwise(self.project_in, z)), (len(z), *z.shape[2:])
            return tuple(codes.view(shape) for codes in stack.encode(rows))
        residual, codes = channels_last(pointwise(self.project_in, z)), []
        for level, scale in self._scaled():
            found = level.encode(_enlarged(residual, scale))
            residual = residual - _reduced(level.decode(found), scale)
            codes.extend(found)
        return tuple(codes)

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; any prefix of the levels decodes."""
        assert codes, "decode needs the codes of at least one level"
        narrow = self._narrow()
        if narrow is not None:
            return pointwise(self.project_out, _grid(narrow.decode([own.flatten() for own in codes]), codes[0].shape))
        per_level = len(self._quantizers()[0].codebook_sizes)
        total = None
        for number, (level, scale) in enumerate(self._scaled()[: len(codes) // per_level]):
            vectors = _reduced(level.decode(codes[number * per_level : (number + 1) * per_level]), scale)
            total = vectors if total is None else total + vectors
        assert total is not None
        return pointwise(self.project_out, total)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        inner = channels_last(pointwise(self.project_in, z))
        active = self._active(z)
        stack = self._stack()
        if stack is not None:
            return self._learn_rows(stack, inner, mask, active)
        through = self._quantizers()[0].factorised
        per_level = len(self._quantizers()[0].codebook_sizes)
        residual, total, codes, losses = inner, torch.zeros_like(inner), [], {}
        for number, (level, scale) in enumerate(self._scaled()):
            used = None if active is None else active[:, number * per_level].view(-1, 1, *[1] * (z.ndim - 2))
            valid = mask if used is None else used.expand(-1, 1, *z.shape[2:]) if mask is None else mask & used
            quantized = level(_enlarged(residual, scale), valid)
            step = _reduced(quantized.z_q if through else quantized.z_q.detach(), scale)
            if used is not None:
                step = step * used
            residual, total = residual - step, total + step
            codes.extend(quantized.codes)
            for name, value in quantized.losses.items():
                losses[name] = losses.get(name, 0) + value / self.num_codebooks
        if not through:
            total = inner if self.progress < self.late_start else straight_through(inner, total)
        z_q = pointwise(self.project_out, total)
        return Quantized(z_q=z_q if mask is None else z_q * mask, codes=tuple(codes), losses=losses, active=active)

    def _narrow(self) -> NarrowStack | None:
        levels = narrow_levels(self._quantizers()) if self.rescale == 1.0 else None
        return None if levels is None else NarrowStack(levels)

    def _stack(self) -> NarrowStack | WideStack | None:
        """What encodes and learns the levels together, where their kind allows."""
        wide = wide_levels(self._quantizers()) if self.rescale == 1.0 else None
        return self._narrow() if wide is None else WideStack(wide)

    def _learn_rows(
        self,
        stack: NarrowStack | WideStack,
        inner: Float[Tensor, "b inner *l"],
        mask: Bool[Tensor, "b 1 *l"] | None,
        active: Bool[Tensor, "b q"] | None,
    ) -> Quantized:
        """learn, over the valid positions alone."""
        shape, rows = (len(inner), *inner.shape[2:]), _rows(inner)
        used = None
        if active is not None:
            used = active.repeat_interleave(len(rows) // len(inner), dim=0, output_size=len(rows))
        valid = None if mask is None else mask.flatten()
        if valid is not None:
            rows, used = rows[valid], None if used is None else used[valid]
        total, found, losses = stack.learn(rows, used)
        if self.progress < self.late_start:
            total = rows
        if valid is not None:
            total = total.new_zeros(len(valid), total.shape[1]).masked_scatter(valid[:, None], total)
            found = [codes.new_zeros(len(valid)).masked_scatter(valid, codes) for codes in found]
        z_q = pointwise(self.project_out, _grid(total, shape))
        return Quantized(
            z_q=z_q if mask is None else z_q * mask,
            codes=tuple(codes.view(shape) for codes in found),
            losses=losses,
            active=active,
        )

    def _active(self, z: Float[Tensor, "b d *l"]) -> Bool[Tensor, "b q"] | None:
        """Which levels each item uses; the first always. Drawn for the concatenated batch, of which ours is a slice."""
        if self.draws is None:
            return None
        count, generator = self.num_codebooks, self.draws.next()
        batch, before = rows_of_group(z)
        kept = torch.tensor(self.choices)[torch.randint(len(self.choices), (batch,), generator=generator)]
        kept = torch.where(torch.rand(batch, generator=generator) < self.dropout, kept, count)
        kept = kept[before : before + len(z)]
        per_level = len(self._quantizers()[0].codebook_sizes)
        return (torch.arange(count) < kept[:, None]).repeat_interleave(per_level, dim=1).to(z.device)

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer; decoded: a level's own share, the projection's constant in the first level alone."""
        vectors = []
        with torch.no_grad():
            for number, (level, scale) in enumerate(self._scaled()):
                for own in level.code_vectors():
                    decoded = self.project_out(own.decoded / scale)
                    if number and isinstance(self.project_out, nn.Linear):
                        decoded = decoded - self.project_out.bias
                    vectors.append(CodeVectors(searched=own.searched, decoded=decoded))
        return tuple(vectors)


def _enlarged(z: Float[Tensor, "b d *l"], scale: float) -> Float[Tensor, "b d *l"]:
    return z if scale == 1.0 else z * scale  # times one is a copy of everything


def _reduced(z: Float[Tensor, "b d *l"], scale: float) -> Float[Tensor, "b d *l"]:
    return z if scale == 1.0 else z / scale


def _rows(z: Float[Tensor, "b d *l"]) -> Float[Tensor, "n d"]:
    return z.movedim(1, -1).reshape(-1, z.shape[1])


def _grid(rows: Float[Tensor, "n d"], shape: tuple[int, ...]) -> Float[Tensor, "b d *l"]:
    return rows.view(*shape, rows.shape[1]).movedim(-1, 1)
