"""Methods at their published scale."""

from experiments import on_meta
from torch import nn

from signaltok.tokenizer import Tokenizer


def built(name: str) -> Tokenizer:
    """The tokenizer of configs/experiment/paper/<name>.yaml, without memory."""
    return on_meta(f"paper/{name}")


def parameters(module: nn.Module) -> int:
    """Trainable numbers."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
