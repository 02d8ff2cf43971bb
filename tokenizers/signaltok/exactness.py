"""The arithmetic in which codes and losses are computed: at least float32, one algorithm for one shape."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

BACKENDS: Any = torch.backends  # whose settings have no types
CUDA, ONEDNN = BACKENDS.cuda.matmul, BACKENDS.mkldnn.matmul
CONV, RNN = BACKENDS.cudnn.conv, BACKENDS.cudnn.rnn
# What may be computed in less than float32 where a caller allows it.
OPERATORS = (CUDA, ONEDNN, CONV, RNN, BACKENDS.mkldnn.conv, BACKENDS.mkldnn.rnn)
EXACT = ("ieee", "none")  # none: nothing is said, which is float32


def full_precision(x: Tensor) -> Tensor:
    """x in float32; x itself where it is float64, so that a model in float64 is computed in it throughout."""
    return x if x.dtype == torch.float64 else x.float()


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """No autocast, no reduced-precision matrix modes, no search for algorithms, inside the block.

    Codes are decided by comparing numbers that may differ in the last bits only, so what computes them must not
    depend on precision modes that the caller has set for something else.
    """
    cudnn, allowed = BACKENDS.cudnn, {operator: operator.fp32_precision for operator in OPERATORS}
    search, exact = (cudnn.benchmark, cudnn.deterministic), set(allowed.values()) <= set(EXACT)
    if exact and search == (False, True) and not torch.is_autocast_enabled(device.type):
        yield  # as within another such block; setting it all again takes as long as a small search
        return
    cudnn.benchmark, cudnn.deterministic = False, True
    if not exact:
        _forbid()
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        if not exact:
            _allow(allowed)
        cudnn.benchmark, cudnn.deterministic = search


def _forbid() -> None:
    """All in float32, under torch's older names too: it refuses to read these where the newer ones say otherwise."""
    torch.set_float32_matmul_precision("highest")
    BACKENDS.cudnn.allow_tf32 = False
    for operator in OPERATORS:
        if operator.fp32_precision not in EXACT:
            operator.fp32_precision = "ieee"


def _allow(allowed: dict[Any, str]) -> None:
    """What each operator had, by the older names where they say it, or from what stands over it where that does."""
    older = {("tf32", "bf16"): "medium", ("tf32", "tf32"): "high"}.get((allowed[CUDA], allowed[ONEDNN]), "highest")
    torch.set_float32_matmul_precision(older)
    BACKENDS.cudnn.allow_tf32 = allowed[CONV] == allowed[RNN] == "tf32"
    for operator, precision in allowed.items():
        if operator.fp32_precision != precision:
            operator.fp32_precision = "none"
        if operator.fp32_precision != precision:
            operator.fp32_precision = precision


def keep_in_full_precision(layer: nn.Module) -> None:
    """Have the layer compute without autocast in training mode, whatever mode its surroundings are in.

    Copies of the layer do the same. Its gradients can then be measured, also where those around it are in half
    precision.
    """
    layer.register_forward_pre_hook(_leave_autocast)
    layer.register_forward_hook(_return_to_autocast, always_call=True)


def _leave_autocast(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    device = inputs[0].device.type
    if not layer.training or not torch.is_autocast_enabled(device):
        return None
    torch.set_autocast_enabled(device, False)
    object.__setattr__(layer, "_autocast_left", True)
    return tuple(full_precision(value) for value in inputs)


def _return_to_autocast(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
    if getattr(layer, "_autocast_left", False):
        torch.set_autocast_enabled(inputs[0].device.type, True)
        object.__setattr__(layer, "_autocast_left", False)
