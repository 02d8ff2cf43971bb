"""How the gradient passes the quantizer. The value is the code vector itself, to the bit; only the backward differs.

But for LateStart, whose value is at first the latent.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.parts import Part


class Estimator(Part, ABC):
    """(z, q) -> a tensor of value q with some gradient to z; q gets none through it."""

    @abstractmethod
    def __call__(self, z: Float[Tensor, "*n d"], q: Float[Tensor, "*n d"], progress: float) -> Float[Tensor, "*n d"]:
        """Rows of z and their code vectors. progress: share of the run that is done, 0 to 1."""


class _Copy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, q: Tensor) -> Tensor:  # type: ignore[override]  # noqa: ARG004
        return q.view_as(q)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]  # noqa: ARG004
        return gradient, None


def straight_through(z: Tensor, q: Tensor) -> Tensor:
    """Value q, gradient one to z. The usual z + (q - z).detach() is q only up to rounding."""
    return _Copy.apply(z, q)  # type: ignore[return-value]


class StraightThrough(Estimator):
    """The gradient is copied (Bengio et al. 2013; van den Oord et al. 2017, section 3.2): dL/dz = dL/dz_q."""

    def __call__(
        self,
        z: Float[Tensor, "*n d"],
        q: Float[Tensor, "*n d"],
        progress: float,  # noqa: ARG002
    ) -> Float[Tensor, "*n d"]:
        """See Estimator."""
        return straight_through(z, q)


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, q: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(z, q)
        return q.view_as(q)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        z, q = ctx.saved_tensors
        tiny = torch.finfo(z.dtype).eps
        z_norm, q_norm = z.norm(dim=1, keepdim=True), q.norm(dim=1, keepdim=True)
        from_, to = z / z_norm.clamp_min(tiny), q / q_norm.clamp_min(tiny)
        middle = from_ + to
        r = middle / middle.norm(dim=1, keepdim=True).clamp_min(tiny)
        # R^T g with R = I - 2 r r^T + 2 to from^T.
        rotated = gradient - 2 * r * (r * gradient).sum(1, keepdim=True)
        rotated = rotated + 2 * from_ * (to * gradient).sum(1, keepdim=True)
        return rotated * (q_norm / z_norm.clamp_min(tiny)), None


class Rotation(Estimator):
    """The rotation trick (Fifty et al. 2024, section 4): z_q = (|q|/|z|) R z with R and the scale held constant.

    R = I - 2 r r^T + 2 q^ z^T turns z/|z| into q/|q|, r = (z^ + q^)/|z^ + q^|; so dL/dz = (|q|/|z|) R^T dL/dz_q.
    """

    def __call__(
        self,
        z: Float[Tensor, "*n d"],
        q: Float[Tensor, "*n d"],
        progress: float,  # noqa: ARG002
    ) -> Float[Tensor, "*n d"]:
        """See Estimator."""
        return _Rotate.apply(z, q)  # type: ignore[return-value]


class LateStart(Estimator):
    """Until the share `start` of the run the latent passes as it is, then the estimator `then` takes over.

    The decoder first learns to use the latents, and the codebook to follow them. Where codes that mean nothing yet
    stand between the two from the first step, the latents may shrink onto a few of them and never spread again.
    """

    def __init__(self, *, start: float, then: Estimator) -> None:
        if not 0 < start < 1:
            raise ValueError(f"start is a share of the run and must lie in (0, 1), got {start}; leave LateStart out")
        self.start, self.then = start, then

    def __call__(self, z: Float[Tensor, "*n d"], q: Float[Tensor, "*n d"], progress: float) -> Float[Tensor, "*n d"]:
        """See Estimator; before the start the value is z."""
        return z if progress < self.start else self.then(z, q, progress)
