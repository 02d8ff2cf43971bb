"""TensorBoard: Lightning's logger with pictures and histograms of the codes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from signaltok.metrics.evaluation import Evaluation
from signaltok.reports.samples import overview
from signaltok.training.run_logger import RunLogger, count_histograms


class TensorBoardRun(TensorBoardLogger, RunLogger):
    """save_dir/name/version holds the event files. pictures: how many a validation, 0 for none."""

    def __init__(self, *, save_dir: str, name: str, version: str, pictures: int) -> None:
        if pictures < 0:
            raise ValueError(f"logger.tensorboard.pictures is {pictures}; give 0 or more")
        super().__init__(save_dir=save_dir, name=name, version=version, default_hp_metric=False)
        self.pictures = pictures

    @rank_zero_only
    def connect(self) -> None:
        """Nothing to reach: it writes files."""

    @rank_zero_only
    def begin(self, settings: dict[str, Any], provenance: dict[str, Any]) -> None:
        """The settings and the command as text."""
        lines = (str(provenance.get("command")), "", *OmegaConf.to_yaml(OmegaConf.create(settings)).splitlines())
        self.experiment.add_text("config", "\n".join(f"    {line}" for line in lines))

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Numbers at `step`, the optimizer's steps of the whole run."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)

    @rank_zero_only
    def show_evaluation(self, split: str, evaluation: Evaluation, step: int) -> None:
        """`<split>/pictures`, and `<split>/code_counts_<level>` and `<split>/sorted_counts_<level>`."""
        for name, (hits, edges) in count_histograms(split, evaluation.counts).items():
            middles = (edges[:-1] + edges[1:]) / 2
            self.experiment.add_histogram_raw(
                name,
                min=float(edges[0]),
                max=float(edges[-1]),
                num=int(hits.sum()),
                sum=float((hits * middles).sum()),
                sum_squares=float((hits * middles**2).sum()),
                bucket_limits=edges[1:].tolist(),
                bucket_counts=hits.tolist(),
                global_step=step,
            )
        grid = overview(evaluation, limit=self.pictures) if self.pictures else None
        if grid is not None:
            self.experiment.add_image(f"{split}/pictures", grid, step, dataformats="HWC")

    @rank_zero_only
    def conclude(self, figures: dict[str, float], export: Callable[[Path], Path] | None) -> None:
        """The test figures at the last step."""
        for name, value in figures.items():
            if name.startswith("test/"):
                self.experiment.add_scalar(name, value, int(figures["train/steps"]))
        self.experiment.close()
