"""Rules of other codebases that the claims are about, put into the package for the length of one run's process.

They are what section 0 of the reference found in public code: revival that the next step undoes (EnCodec's
expire_codes_), a threshold that does not look at the mean usage, levels whose commitment reaches nothing (encodec#25),
and a straight-through path for every level (NeMo). The package has none of them.
"""

import torch
from torch import Tensor

from signaltok.quantizers.codebook import update
from signaltok.quantizers.codebook.estimator import straight_through
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.update import ExponentialMovingAverage
from signaltok.quantizers.projection import pointwise
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.types.quantized import Quantized

ABSOLUTE = 2.0  # hits a step


class UndoneTable(type(ExponentialMovingAverage(decay=0.9, epsilon=0.0).table(2, 1, False))):  # type: ignore[misc]
    """Vectors are replaced and the sums that they are made of are not, so the next step brings the dead code back."""

    def replace(self, indices: Tensor, vectors: Tensor) -> None:
        self.vectors[indices] = vectors


class AbsoluteRevival(UsageRevival):
    """Dead is a code with fewer than ABSOLUTE hits a step, however many there are to go round."""

    def dead(self, counts: Tensor, step: int, progress: float) -> Tensor:
        if step % self.every or progress >= self.until:
            return torch.empty(0, dtype=torch.int64, device=counts.device)
        return (counts < ABSOLUTE).nonzero()[:, 0]


class _Written(ResidualQuantizer):
    """The stack of unprojected levels written out, without dropout and padding of its own."""

    cut: bool  # whether levels after the first see a residual without a gradient
    paths: bool  # whether every level passes the decoder's gradient

    def learn(self, z: Tensor, mask: Tensor | None) -> Quantized:
        inner = pointwise(self.project_in, z)
        left, total, codes, losses = inner, torch.zeros_like(inner), [], {}
        for number, level in enumerate(self._quantizers()):
            quantized = level(left.detach() if self.cut and number else left, mask)
            left = left - quantized.z_q.detach()
            total = total + (quantized.z_q if self.paths else quantized.z_q.detach())
            codes.extend(quantized.codes)
            for name, value in quantized.losses.items():
                losses[name] = losses.get(name, 0) + value / self.num_codebooks
        z_q = pointwise(self.project_out, total if self.paths else straight_through(inner, total))
        return Quantized(z_q=z_q if mask is None else z_q * mask, codes=tuple(codes), losses=losses)


class ZeroGradient(_Written):
    """The commitment of the levels after the first moves nothing."""

    cut, paths = True, False


class ManyPaths(_Written):
    """The encoder gets the decoder's gradient once for every level."""

    cut, paths = False, True


def undone_revival() -> None:
    update._AverageTable = UndoneTable  # type: ignore[misc]


def absolute_revival() -> None:
    UsageRevival.dead = AbsoluteRevival.dead  # type: ignore[method-assign]


def zero_gradient() -> None:
    _written(ZeroGradient)


def many_paths() -> None:
    _written(ManyPaths)


def _written(kind: type[_Written]) -> None:
    """By its methods and not its name, so that what a run saves names the package's class."""
    ResidualQuantizer.cut, ResidualQuantizer.paths = kind.cut, kind.paths  # type: ignore[attr-defined]
    ResidualQuantizer.learn = _Written.learn  # type: ignore[method-assign]
