"""Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019, equation 4)."""

from jaxtyping import Float
from torch import Tensor


def si_sdr(x: Float[Tensor, "b n"], y: Float[Tensor, "b n"], guard: float) -> Float[Tensor, " b"]:
    """10 log10((|ax|^2 + g) / (|ax - y|^2 + g)) in dB with a = <x, y> / |x|^2: higher is better, whatever y's scale.

    x: the original, y: what came back. guard g keeps it finite where y equals ax or x is silent; 0 for none.
    """
    scale = (x * y).sum(1, keepdim=True) / (x.square().sum(1, keepdim=True) + guard)
    target = scale * x
    return 10 * ((target.square().sum(1) + guard) / ((target - y).square().sum(1) + guard)).log10()
