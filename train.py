"""Train a tokenizer: `python train.py experiment=quickstart`. Every key of configs/ can be overridden here."""

import sys

import hydra
from omegaconf import DictConfig

from signaltok.training.entry import in_sweep, overrides, prepare, user_errors

prepare()


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(config: DictConfig) -> float | None:
    """Train, evaluate, report; the value of metric_for_sweep, where one is asked for."""
    if in_sweep():
        from signaltok.training.sweep.trial import run_trial

        return run_trial(config)
    with user_errors():
        from signaltok.training.run import train  # here, so that --help and a misspelt override answer at once

        return train(config, command=["python", *sys.argv], overrides=overrides())


if __name__ == "__main__":
    main()
