"""The arithmetic in which codes and losses are computed: at least float32, one algorithm for one shape."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

EXACT_CUDNN = (False, False, True)  # allow_tf32, benchmark, deterministic


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
    if matmul == "highest" and cudnn == EXACT_CUDNN and not torch.is_autocast_enabled(device.type):
        yield  # as within another such block; setting it all again takes as long as a small search
        return
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = EXACT_CUDNN
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
