"""Multiscale quantization: residual quantization in which each level has a grid of its own, coarsest first.

VAR (Tian et al. 2024, algorithms 1 and 2): with f the latent, and f^ = 0 at first, for each scale k

    c_k = Q(down_k(f - f^)),   f^ <- f^ + phi_k(up_k(look-up of c_k)),

and z_q is the last f^. SNAC (Siuzdak et al. 2024) is the same with repeated vectors and factorised levels.
The losses of VAR compare f with f^ after every scale, and with those of the levels themselves one may choose:

    scale_commitment = mean_k |f - sg[f^_k]|^2,   scale_codebook = mean_k |sg[f] - f^_k|^2.

The latter reaches phi and the vectors that learn by gradient. The gradient of z_q to the inner latent is exactly one.
Factorised levels learn through z_q, so with them, as in quantizers.residual, it passes every level: with J_k the
level's phi up B A down it is I - (I - J_{n-1}) ... (I - J_0).
"""

from math import gcd

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import silence
from signaltok.parts import CodeVectors, Quantizer
from signaltok.quantizers.codebook.estimator import straight_through
from signaltok.quantizers.codebook.update import mean_square
from signaltok.quantizers.copies import levels_of, rotate
from signaltok.quantizers.late import take_late_start
from signaltok.quantizers.projection import check_one_grid, pointwise, projection
from signaltok.quantizers.resample import UPSAMPLINGS, down, up
from signaltok.quantizers.smoothing import PartlySharedConvolutions
from signaltok.types.quantized import Quantized
from signaltok.types.token_stack import WHOLE, Share, grid_lengths, grid_size, mask_lengths, valid_mask

OWN_LOSSES = frozenset({"scale_commitment", "scale_codebook"})


class MultiscaleQuantizer(Quantizer):
    """One level a scale, over one projection of the latent.

    scales: positions of each level for every scales[-1] cells of the latent, ascending; the last level has the whole
    grid. [1, 2, 3, 4, 5, 6, 8, 10, 13, 16] are VAR's grids at 16 x 16 cells, and another size gets ceil(n p / 16).
    level: a quantizer over the inner latent; with the estimator LateStart it is the whole that starts late
    (quantizers.late). shared: whether all scales use one and the same, which then takes its
    first vectors from all cells: the few positions of the coarsest scale would make most of them equal. upsampling:
    "cubic" or "nearest". smoothing: what follows it, or None. orthogonal: whether the maps, the whole's
    and those of its levels, begin as rotations (quantizers.copies). What a position means depends on its place alone,
    so a latent may have any size and codes do not depend on padding; quantizers are given whole latents, so chunks
    change nothing. Losses: means over the scales under the levels' own names, and the two of this module.
    """

    started: Tensor

    def __init__(
        self,
        *,
        latent_dim: int,
        scales: list[int],
        level: Quantizer,
        shared: bool,
        upsampling: str,
        smoothing: PartlySharedConvolutions | None,
        orthogonal: bool,
    ) -> None:
        super().__init__()
        scales = list(scales)
        if not scales or scales[0] < 1 or scales != sorted(set(scales)):
            raise ValueError(f"scales must be ascending numbers of positions, each once, got {scales}")
        if upsampling not in UPSAMPLINGS:
            raise ValueError(f"upsampling must be one of {UPSAMPLINGS}, got {upsampling!r}")
        if OWN_LOSSES & level.loss_names():
            raise ValueError("a level of a multiscale quantizer cannot be one itself; list all scales in one")
        check_one_grid(level)
        self.latent_dim, self.inner_dim = latent_dim, level.latent_dim
        self.scales, self.upsampling = tuple(scales), upsampling
        self.project_in = projection(latent_dim, self.inner_dim)
        self.project_out = projection(self.inner_dim, latent_dim)
        if orthogonal:
            rotate(self.project_in, self.project_out)
        self.levels = levels_of(level, 1 if shared else len(scales), orthogonal=orthogonal)
        self.late_start = take_late_start(self._quantizers())
        self.smoothing = smoothing
        self.shared = shared
        if shared:
            self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def _quantizers(self) -> list[Quantizer]:
        """The quantizer of every scale: one and the same where they share it."""
        levels: list[Quantizer] = list(self.levels)  # type: ignore[arg-type]
        return levels if len(levels) == len(self.scales) else levels * len(self.scales)

    @property
    def _per_scale(self) -> int:
        return len(self._quantizers()[0].codebook_sizes)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """See Quantizer."""
        return tuple(size for level in self._quantizers() for size in level.codebook_sizes)

    def _rule(self, number: int) -> tuple[int, Share]:
        """Stride and share of a scale: a stride alone where it is whole."""
        own, finest = self.scales[number], self.scales[-1]
        divisor = gcd(own, finest)
        return (finest // own, WHOLE) if divisor == own else (1, (own // divisor, finest // divisor))

    @property
    def level_strides(self) -> tuple[int, ...]:
        """See Quantizer."""
        return tuple(self._rule(number)[0] for number in range(len(self.scales)) for _ in range(self._per_scale))

    @property
    def level_shares(self) -> tuple[Share, ...]:
        """See Quantizer."""
        return tuple(self._rule(number)[1] for number in range(len(self.scales)) for _ in range(self._per_scale))

    @property
    def factorised(self) -> bool:
        """See Quantizer."""
        return self.inner_dim != self.latent_dim or self._quantizers()[0].factorised

    def loss_names(self) -> frozenset[str]:
        """See Quantizer."""
        return self._quantizers()[0].loss_names() | OWN_LOSSES

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b ..."], ...]:
        """See Quantizer."""
        residual, codes, extents = pointwise(self.project_in, z), [], [tuple(z.shape[2:])]
        for number, level in enumerate(self._quantizers()):
            found = level.encode(self._coarse(residual, number, extents))
            residual = residual - self._spread(level.decode(found), number, extents, tuple(z.shape[2:]), None)
            codes.extend(found)
        return tuple(codes)

    def decode(self, codes: tuple[Int64[Tensor, "b ..."], ...]) -> Float[Tensor, "b d *l"]:
        """See Quantizer; all levels, of which the last has the latent's grid. Raises ValueError for fewer."""
        if len(codes) != len(self.codebook_sizes):
            raise ValueError(
                f"{len(codes)} of {len(self.codebook_sizes)} levels do not tell the size of the latent; "
                "give it to decode_levels"
            )
        return self.decode_levels(codes, tuple(codes[-1].shape[1:]))

    def decode_levels(
        self, codes: tuple[Int64[Tensor, "b ..."], ...], grid: tuple[int, ...]
    ) -> Float[Tensor, "b d *l"]:
        """See Quantizer: the first scales, as many as there are codes for."""
        n, total = self._per_scale, None
        for number, level in enumerate(self._quantizers()[: len(codes) // n]):
            vectors = self._spread(level.decode(codes[number * n : (number + 1) * n]), number, [grid], grid, None)
            total = vectors if total is None else total + vectors
        assert total is not None, "decode needs the codes of at least one scale"
        return pointwise(self.project_out, total)

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """See Quantizer."""
        inner = silence(pointwise(self.project_in, z), mask)
        size = tuple(z.shape[2:])
        extents = [size] if mask is None else [tuple(extent) for extent in mask_lengths(mask).tolist()]
        if self.shared and not bool(self.started):
            with torch.no_grad():
                self._quantizers()[0](inner, mask)
            self.started.fill_(True)
        through = self._quantizers()[0].factorised
        residual, total, taught = inner, torch.zeros_like(inner), torch.zeros_like(inner)
        codes, active, losses = [], [], {name: inner.new_zeros(()) for name in OWN_LOSSES}
        for number, level in enumerate(self._quantizers()):
            coarse = self._coarse(residual, number, extents)
            quantized = level(coarse, self._coarse_mask(mask, number))
            # Of the value that was looked up, with the gradient to the vectors, where they learn by one.
            vectors = straight_through(level.decode(quantized.codes), quantized.z_q.detach())
            learns = self._spread(vectors, number, extents, size, mask)
            step = self._spread(quantized.z_q, number, extents, size, mask) if through else learns.detach()
            residual, total, taught = residual - step, total + step, taught + learns
            codes.extend(quantized.codes)
            active.append(quantized.active)
            own = {
                "scale_commitment": mean_square(_rows(inner, mask), _rows(total, mask).detach()),
                "scale_codebook": mean_square(_rows(taught, mask), _rows(inner, mask).detach()),
            }
            for name, value in {**quantized.losses, **own}.items():
                losses[name] = losses.get(name, 0) + value / len(self.scales)
        if not through:
            total = inner if self.progress < self.late_start else straight_through(inner, total)
        z_q = pointwise(self.project_out, total)
        found = [flags for flags in active if flags is not None]
        return Quantized(
            z_q=z_q if mask is None else z_q * mask,
            codes=tuple(codes),
            losses=losses,
            active=torch.cat(found, dim=1) if found else None,
        )

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """See Quantizer; decoded: what a code adds where its vector is spread evenly, before the smoothing."""
        vectors: list[CodeVectors] = []
        with torch.no_grad():
            for level in self._quantizers():
                for own in level.code_vectors():
                    decoded = self.project_out(own.decoded)
                    if vectors and isinstance(self.project_out, nn.Linear):
                        decoded = decoded - self.project_out.bias
                    vectors.append(CodeVectors(searched=own.searched, decoded=decoded))
        return tuple(vectors)

    def _share(self, number: int) -> Share | None:
        own = (self.scales[number], self.scales[-1])
        return None if own[0] == own[1] else own

    def _coarse(self, residual: Tensor, number: int, extents: list[tuple[int, ...]]) -> Tensor:
        share = self._share(number)
        return residual if share is None else down(residual, share, extents)

    def _spread(
        self, vectors: Tensor, number: int, extents: list[tuple[int, ...]], size: tuple[int, ...], mask: Tensor | None
    ) -> Tensor:
        share = self._share(number)
        fine = silence(vectors, mask) if share is None else up(vectors, share, extents, size, self.upsampling)
        return fine if self.smoothing is None else silence(self.smoothing(fine, number, len(self.scales)), mask)

    def _coarse_mask(self, mask: Tensor | None, number: int) -> Tensor | None:
        if mask is None:
            return None
        axes, share = mask.ndim - 2, self._share(number) or WHOLE
        lengths = grid_lengths(mask_lengths(mask), (1,) * axes, share)
        return valid_mask(lengths, grid_size(tuple(mask.shape[2:]), (1,) * axes, share))


def _rows(x: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "n d"]:
    """The valid positions."""
    rows = x.movedim(1, -1)
    return rows.reshape(-1, x.shape[1]) if mask is None else rows[mask[:, 0]]
