"""The typed root of every config: a key that is not here is an error wherever it stands."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class Run:
    """Where a run comes from.

    resume: a run folder to go on with. init_from: a run or exported tokenizer whose weights a new run starts from.
    path: what eval.py evaluates. checkpoint: "best" (by val/psnr) or "last", for evaluation. evaluate: whether
    training ends with the evaluation, samples and report.
    """

    resume: str | None = None
    init_from: str | None = None
    path: str | None = None
    checkpoint: str = "best"
    evaluate: bool = True


@dataclass
class Root:
    """Every key that a config may have at the top."""

    task_name: str = MISSING
    tags: list[str] = field(default_factory=list)
    seed: int = MISSING
    run: Run = field(default_factory=Run)
    print_config: bool = False
    metric_for_sweep: str | None = None
    encoder: dict[str, Any] = field(default_factory=dict)
    quantizer: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    tokenizer: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    optimization: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    paths: dict[str, Any] = field(default_factory=dict)


def register() -> None:
    """Make the schema known under the name that configs/train.yaml and configs/eval.yaml start with."""
    ConfigStore.instance().store(name="schema", node=Root)
