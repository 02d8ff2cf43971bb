"""A late start of stacks whose levels quantize what the levels before left.

There a level must round from the first step on: one that passes its latent as it is leaves nothing to those after it,
which would learn their codes from zeros. So it is the stack that starts late: its levels round, and learn their codes
from what rounding leaves, while the stack's inner latent passes as it is.
"""

from collections.abc import Iterable

from signaltok.parts import Quantizer
from signaltok.quantizers.codebook.estimator import LateStart


def take_late_start(levels: Iterable[Quantizer]) -> float:
    """The share of the run before which the stack passes its inner latent; 0 where its levels name no LateStart.

    It is taken out of the levels, and out of stacks within them. Levels that reach their codes by maps of their own
    learn these through the codes alone: a LateStart there is a ValueError.
    """
    start = 0.0
    for level in levels:
        for part in level.modules():
            estimator, own = getattr(part, "estimator", None), getattr(part, "late_start", 0.0)
            if isinstance(estimator, LateStart):
                part.estimator, own = estimator.then, estimator.start  # type: ignore[assignment]
            elif own:
                part.late_start = 0.0  # type: ignore[assignment]
            start = max(start, own)
        if start and level.factorised:
            raise ValueError(
                "LateStart lets the inner latent of a whole stack pass, but the levels of this one project it by maps "
                "of their own; let the stack project instead (give each level latent_dim = codebook_dim, as in "
                "configs/quantizer/rvq_audio.yaml), or leave LateStart out"
            )
    return start
