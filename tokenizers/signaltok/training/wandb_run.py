"""Weights & Biases: one W&B run for one training run, resumed or not, online or offline (docs/wandb.md)."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wandb
from lightning_fabric.loggers.logger import rank_zero_experiment
from PIL import Image
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from signaltok.artifact.read import read_config
from signaltok.metrics.evaluation import Evaluation
from signaltok.reports.samples import overview
from signaltok.training.run_logger import RunLogger, count_histograms

ADVICE = "log offline with logger.wandb.offline=true (or WANDB_MODE=offline), or log in with `wandb login`"


class WandbRun(WandbLogger, RunLogger):
    """Lightning's logger with our own step as the x-axis, the run's settings, pictures, histograms and tokenizer.

    save_dir: a folder wandb/ is made in it. id: which W&B run to begin or go on with. init_timeout, finish_timeout:
    seconds to wait for the server at the start and for uploads at the end. pictures: how many a validation, 0 for none.
    log_tokenizer: log the exported tokenizer as an artifact at the end.
    """

    def __init__(
        self,
        *,
        save_dir: str,
        project: str,
        entity: str | None,
        group: str | None,
        name: str | None,
        id: str,
        tags: list[str],
        offline: bool,
        init_timeout: float,
        finish_timeout: float,
        pictures: int,
        log_tokenizer: bool,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", id):
            raise ValueError(f"logger.wandb.id is {id!r}; give 1 to 64 letters, digits, dots, - and _")
        for option, seconds in (("init_timeout", init_timeout), ("finish_timeout", finish_timeout)):
            if seconds <= 0:
                raise ValueError(f"logger.wandb.{option} is {seconds}; give seconds, more than 0")
        if pictures < 0:
            raise ValueError(f"logger.wandb.pictures is {pictures}; give 0 or more")
        super().__init__(
            save_dir=save_dir, project=project, entity=entity, group=group, name=name, id=id, tags=tags, offline=offline
        )
        self.init_timeout = init_timeout
        self.finish_timeout = finish_timeout
        self.pictures = pictures
        self.log_tokenizer = log_tokenizer

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The W&B run, begun when it is first asked for. Raises ValueError where the server cannot be reached."""
        if self._experiment is None:
            self._experiment = self._start()
        return self._experiment

    @rank_zero_only
    def connect(self) -> None:
        """Begin the W&B run, or go on with it."""
        assert self.experiment is not None, "a run was begun"

    @rank_zero_only
    def begin(self, settings: dict[str, Any], provenance: dict[str, Any]) -> None:
        """All settings, nested as they are, and `provenance`: command, commit, dirty, data_fingerprint."""
        git, data = provenance.get("git") or {}, provenance.get("data") or {}
        origin = {
            "command": provenance.get("command"),
            "commit": git.get("commit"),
            "dirty": git.get("dirty"),
            "data_fingerprint": data.get("fingerprint"),
        }
        self.experiment.config.update({**settings, "provenance": origin}, allow_val_change=True)

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """One row of history; `step` counts the optimizer's steps of the whole run."""
        assert step is not None, f"{sorted(metrics)} were logged without a step"
        values = {name: value for name, value in metrics.items() if name != "epoch"}
        self.experiment.log({**values, "step": int(step)})

    @rank_zero_only
    def show_evaluation(self, split: str, evaluation: Evaluation, step: int) -> None:
        """`<split>/pictures`, and `<split>/code_counts_<level>` and `<split>/sorted_counts_<level>`."""
        shown: dict[str, Any] = {
            name: wandb.Histogram(np_histogram=histogram)
            for name, histogram in count_histograms(split, evaluation.counts).items()
        }
        grid = overview(evaluation, limit=self.pictures) if self.pictures else None
        if grid is not None:
            shown[f"{split}/pictures"] = wandb.Image(Image.fromarray(grid))
        if shown:
            self.experiment.log({**shown, "step": step})

    @rank_zero_only
    def conclude(self, figures: dict[str, float], export: Callable[[Path], Path] | None) -> None:
        """The figures as the W&B summary, the tokenizer as an artifact, and the end of the W&B run."""
        run = self.experiment
        run.summary.update(figures)
        if self.log_tokenizer and export is not None and not run.disabled:
            self._log_tokenizer(run, figures, export)
        self._finish(exit_code=0)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """After training that broke off, end the W&B run as failed; otherwise the figures are still to come."""
        if status != "success" and self._experiment is not None:
            self._finish(exit_code=1)

    def _log_tokenizer(self, run: Any, figures: dict[str, float], export: Callable[[Path], Path]) -> None:
        # In the run folder and not in W&B's staging area: everything of a run lies there.
        folder = export(Path(run.dir).parent / "tokenizer")
        metadata = {**figures, "fingerprint": read_config(folder)["fingerprint"]}
        artifact = wandb.Artifact(f"tokenizer-{run.id}", type="tokenizer", metadata=metadata)
        artifact.add_dir(str(folder), policy="immutable", skip_cache=True)
        try:
            run.log_artifact(artifact)
        except wandb.Error as error:  # such as a network that went; the run itself is complete
            _say(f"wandb   the tokenizer in {folder} was not logged: {_reason(error)}")

    def _start(self) -> Any:
        if wandb.run is not None:
            wandb.run.finish(exit_code=1)  # one that broke off in this process, such as a job of a multirun
        session = wandb.setup(wandb.Settings(silent=True))
        online = not self._offline and session.settings.mode in ("online", "run", "shared")
        place = Path(self._wandb_init["dir"]) / "wandb"
        new = not place.exists()
        try:
            if online and not wandb.login(prompt=False, verify=False):
                raise ValueError(f"nobody is logged in to Weights & Biases; {ADVICE}")
            run = wandb.init(
                **{**self._wandb_init, "anonymous": None},
                mode="offline" if self._offline else None,
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    init_timeout=self.init_timeout,
                    finish_timeout=self.finish_timeout,
                    finish_timeout_raises=True,
                ),
            )
        except wandb.Error as error:
            if new:
                shutil.rmtree(place, ignore_errors=True)
            raise ValueError(
                f"Weights & Biases cannot be used: {_reason(error)}. Check the network; {ADVICE}"
            ) from None
        run.define_metric("step", hidden=True)
        run.define_metric("*", step_metric="step")
        if run.url:
            _say(f"wandb   {run.url}")
        return run

    def _finish(self, *, exit_code: int) -> None:
        run = self._experiment
        assert run is not None, "only a run that was begun is ended"
        self._experiment = None
        folder = Path(run.dir).parent
        try:
            run.finish(exit_code=exit_code)
        except TimeoutError:
            _say(f"wandb   the upload is not complete; send the rest with: wandb sync --include-online {folder}")
        if run.offline and not run.disabled:
            _say(f"wandb   offline in {folder}; send it with: wandb sync {folder.parent}/*-{run.id}")


def _reason(error: wandb.Error) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _say(text: str) -> None:
    Console(soft_wrap=True).print(text, highlight=False)
