"""print_config=true: the composed config as a tree of colours."""

from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.syntax import Syntax


def show_config(settings: dict[str, Any]) -> None:
    """Print the settings as YAML."""
    text = OmegaConf.to_yaml(OmegaConf.create(settings))
    Console().print(Syntax(text, "yaml", background_color="default", word_wrap=True))
