"""What the estimators of levels mean in stacks whose levels quantize what the levels before left.

LateStart there is the stack's. A level must round from the first step on: one that passes its latent as it is leaves
nothing to those after it, which would learn their codes from zeros. So it is the stack that starts late: its levels
round, and learn their codes from what rounding leaves, while the stack's inner latent passes as it is.

Any other estimator would do nothing: the stack copies the gradient past its levels, once. But where levels reach their
codes by maps of their own, the gradient passes them, each by its estimator.
"""

from collections.abc import Iterable

from signaltok.parts import Quantizer
from signaltok.quantizers.codebook.estimator import Estimator, LateStart, StraightThrough


def take_late_start(levels: Iterable[Quantizer]) -> float:
    """The share of the run before which the stack passes its inner latent; 0 where its levels name no LateStart.

    It is taken out of the levels, and out of stacks within them. Levels that reach their codes by maps of their own
    learn these through the codes alone: a LateStart there is a ValueError. So is another estimator than StraightThrough
    in levels without such maps.
    """
    start = 0.0
    for level in levels:
        for part in level.modules():
            estimator, own = getattr(part, "estimator", None), getattr(part, "late_start", 0.0)
            if isinstance(estimator, LateStart):
                part.estimator, own = estimator.then, estimator.start  # type: ignore[assignment]
                estimator = estimator.then
            elif own:
                part.late_start = 0.0  # type: ignore[assignment]
            if isinstance(estimator, Estimator) and not (isinstance(estimator, StraightThrough) or level.factorised):
                raise ValueError(
                    f"{type(estimator).__name__} would do nothing in the levels of this stack, which copies the "
                    "gradient past them; give them the estimator StraightThrough, or maps of their own to fewer "
                    "dimensions (a codebook_dim below latent_dim)"
                )
            start = max(start, own)
        if start and level.factorised:
            raise ValueError(
                "LateStart lets the inner latent of a whole stack pass, but the levels of this one project it by maps "
                "of their own; let the stack project instead (give each level latent_dim = codebook_dim, as in "
                "configs/quantizer/rvq_audio.yaml), or leave LateStart out"
            )
    return start
