"""Evaluate a run or an exported tokenizer: `python eval.py run.path=outputs/latest`."""

import sys

import hydra
from omegaconf import DictConfig

from signaltok.training.entry import overrides, prepare, user_errors

prepare()


@hydra.main(version_base="1.3", config_path="configs", config_name="eval")
def main(config: DictConfig) -> None:
    """Evaluate and report into a folder of its own."""
    with user_errors():
        from signaltok.training.evaluation_run import evaluate_run  # here, so that --help answers at once

        evaluate_run(config, command=["python", *sys.argv], overrides=overrides())


if __name__ == "__main__":
    main()
