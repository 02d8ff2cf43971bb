"""The committed sweep of Weights & Biases: its parameters are overrides of ours, its metric one that the run gives."""

import itertools
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from signaltok.training.assemble import build_tokenizer, known_metrics
from signaltok.training.config.check import check
from signaltok.training.config.resolve import plain, prepare
from signaltok.training.config.schema import TrainConfig

ROOT = Path(__file__).parents[2]
SWEEP = yaml.safe_load((ROOT / "docs" / "wandb_sweep.yaml").read_text())


def settings(*overrides: str):
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return plain(compose("train", overrides=["paths.output_dir=run", *overrides]))


def corners() -> list[dict[str, object]]:
    """Every combination of the ends of the parameters."""
    ends = {
        name: [values["values"][0], values["values"][-1]] if "values" in values else [values["min"], values["max"]]
        for name, values in SWEEP["parameters"].items()
    }
    return [dict(zip(ends, values, strict=True)) for values in itertools.product(*ends.values())]


def command(values: dict[str, object]) -> list[str]:
    """The overrides that the agent gives to train.py."""
    arguments = create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    given = [arguments["args_no_hyphens"] if word == "${args_no_hyphens}" else [word] for word in SWEEP["command"]]
    assert [word for words in given[:3] for word in words] == ["${env}", "${interpreter}", "${program}"]
    return [word for words in given[3:] for word in words]


def at(node, path: str):
    for name in path.split("."):
        node = node[name]
    return node


def test_every_corner_is_a_run_with_those_values():
    assert len(corners()) > 8
    for values in corners():
        composed = settings(*command(values))
        check(composed, TrainConfig)
        assert {name: at(composed, name) for name in values} == values
        assert composed["logger"].keys() == {"csv", "wandb"}


def test_the_metric_is_one_that_the_run_gives():
    composed = settings(*command(corners()[0]))
    assert SWEEP["metric"]["name"] in known_metrics(composed, build_tokenizer(composed))
    assert SWEEP["metric"]["goal"] == "maximize"
    assert (ROOT / SWEEP["program"]).is_file()


def test_a_run_of_a_sweep_keeps_the_id_that_the_agent_gave(monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "abc123")
    monkeypatch.setenv("WANDB_ENTITY", "us")
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    node = settings("logger=wandb")["logger"]["wandb"]
    assert (node["id"], node["entity"], node["project"]) == ("abc123", "us", "theirs")


@pytest.mark.parametrize("choice", ["wandb", "tensorboard", "many", "[wandb,tensorboard]"])
def test_every_logger_keeps_metrics_csv(choice):
    assert settings(f"logger={choice}")["logger"]["csv"] == settings()["logger"]["csv"]
