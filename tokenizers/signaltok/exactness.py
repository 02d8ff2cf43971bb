"""The arithmetic in which codes and losses are computed: at least float32, one algorithm for one shape."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """x in float32; x itself where it is float64, so that a model in float64 is computed in it throughout."""
    return x if x.dtype == torch.float64 else x.float()


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """No autocast, no reduced-precision matrix modes, no search for algorithms, inside the block.

    Codes are decided by comparing numbers that may differ in the last bits only, so what computes them must not
    depend on precision modes that the caller has set for something else.
    """
    matmul = torch.get_float32_matmul_precision()
    cudnn = (
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
    )
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = (
        False,
        False,
        True,
    )
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        (
            torch.backends.cudnn.allow_tf32,
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
        ) = cudnn
