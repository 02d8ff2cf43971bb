"""Methods at their published scale, built without memory: on the meta device."""

from pathlib import Path

from torch import nn

from signaltok.tokenizer import Tokenizer
from signaltok.training.experiment import built_on_meta, composed_experiment

CONFIGS = Path(__file__).parents[2] / "configs"


def built(name: str) -> Tokenizer:
    """The tokenizer of configs/experiment/paper/<name>.yaml."""
    return built_on_meta(composed_experiment(CONFIGS, f"paper/{name}"))


def parameters(module: nn.Module) -> int:
    """Trainable numbers."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
