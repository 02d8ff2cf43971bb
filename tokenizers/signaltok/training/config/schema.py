"""The typed roots of train.yaml and eval.yaml: a key that is not here is an error when the config is composed.

Groups whose nodes name their target are checked against its signature in check.py; here they are free dicts.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

CHECKPOINTS = ("best", "last")


@dataclass
class TrainRunConfig:
    """How the run starts and ends; each key is explained in configs/train.yaml."""

    resume: str | None = MISSING
    init_from: str | None = MISSING
    pictures_until: float | None = MISSING
    evaluate: bool = MISSING
    checkpoint: str = MISSING
    report: bool = MISSING
    repeat_batches: int | None = MISSING
    limit_eval_batches: int | None = MISSING


@dataclass
class EvalRunConfig:
    """What is evaluated; each key is explained in configs/eval.yaml."""

    path: str = MISSING
    checkpoint: str = MISSING
    split: str = MISSING
    tokens: int | None = MISSING
    levels: list[int] | None = MISSING
    report: bool = MISSING
    limit_eval_batches: int | None = MISSING


@dataclass
class PathsConfig:
    """Where things lie."""

    root_dir: str = MISSING
    data_dir: str = MISSING
    log_dir: str = MISSING
    output_dir: str = MISSING


@dataclass
class TokenizerConfig:
    """What the tokenizer has beyond its three parts."""

    _target_: str = MISSING
    value_range: list[float] = MISSING
    block: int = MISSING
    sample_rate: int | None = MISSING


@dataclass
class TrainConfig:
    """The root of train.yaml."""

    task_name: str = MISSING
    tags: list[str] = MISSING
    seed: int = MISSING
    print_config: bool = MISSING
    metric_for_sweep: str | None = MISSING
    run: TrainRunConfig = field(default_factory=TrainRunConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
    tokenizer: TokenizerConfig | None = field(default_factory=TokenizerConfig)
    encoder: dict[str, Any] = field(default_factory=dict)
    quantizer: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    adversary: dict[str, Any] | None = None
    balance: dict[str, Any] | None = None
    language_model: dict[str, Any] | None = None
    optimization: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, Any] | None = field(default_factory=dict)
    logger: dict[str, Any] | None = field(default_factory=dict)


@dataclass
class EvalConfig:
    """The root of eval.yaml."""

    task_name: str = MISSING
    seed: int = MISSING
    print_config: bool = MISSING
    device: str = MISSING
    run: EvalRunConfig = field(default_factory=EvalRunConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)


def register() -> None:
    """Make the schemas known under the names that the defaults lists of train.yaml and eval.yaml begin with."""
    store = ConfigStore.instance()
    store.store(name="train_schema", node=TrainConfig)
    store.store(name="eval_schema", node=EvalConfig)
