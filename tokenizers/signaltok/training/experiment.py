"""An experiment as its file composes it, without running it."""

from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException

from signaltok.tokenizer import Tokenizer
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.check import check
from signaltok.training.config.resolve import plain, prepare
from signaltok.training.config.schema import TrainConfig


def composed_experiment(configs: Path, name: str) -> dict[str, Any]:
    """The checked settings of configs/experiment/<name>.yaml. Raises ValueError where it does not compose."""
    if not (configs / "experiment" / f"{name}.yaml").is_file():
        raise ValueError(f"there is no {configs / 'experiment' / name}.yaml; `signaltok list` shows what there is")
    prepare()
    try:
        with initialize_config_dir(str(configs.resolve()), version_base="1.3"):
            config = compose("train", [f"experiment={name}", "paths.output_dir=run"])
    except HydraException as error:
        raise ValueError(f"experiment {name} does not compose: {str(error).strip().splitlines()[0]}") from None
    settings = plain(config)
    check(settings, TrainConfig)
    return settings


def built_on_meta(settings: dict[str, Any]) -> Tokenizer:
    """The tokenizer without memory: shapes and counts of any scale."""
    with torch.device("meta"):
        return build_tokenizer(settings)
