"""Experiments as their files compose them, and their tokenizers without memory: on the meta device."""

from functools import cache
from pathlib import Path
from typing import Any

from signaltok.tokenizer import Tokenizer
from signaltok.training.experiment import built_on_meta, composed_experiment

CONFIGS = Path(__file__).parents[2] / "configs"


@cache
def settings(name: str) -> dict[str, Any]:
    """Of configs/experiment/<name>.yaml, composed and checked once."""
    return composed_experiment(CONFIGS, name)


def on_meta(name: str) -> Tokenizer:
    """The tokenizer of that experiment."""
    return built_on_meta(settings(name))
