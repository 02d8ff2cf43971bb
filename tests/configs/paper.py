"""Methods at their published scale, built without memory: on the meta device."""

from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from torch import nn

from signaltok.tokenizer import Tokenizer
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.check import check
from signaltok.training.config.resolve import plain, prepare
from signaltok.training.config.schema import TrainConfig

CONFIGS = Path(__file__).parents[2] / "configs"


def built(name: str) -> Tokenizer:
    """The tokenizer of configs/experiment/paper/<name>.yaml."""
    prepare()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train", overrides=["paths.output_dir=run", f"experiment=paper/{name}"])
    settings = plain(config)
    check(settings, TrainConfig)
    with torch.device("meta"):
        return build_tokenizer(settings)


def parameters(module: nn.Module) -> int:
    """Trainable numbers."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
