"""A run that trains a tokenizer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from signaltok.data.signal_data import SignalData
from signaltok.parts import Alignment
from signaltok.training.assemble import build_module, build_run_data, build_tokenizer, known_metrics
from signaltok.training.config.build import build_each
from signaltok.training.export import write_run
from signaltok.training.figures import conclude
from signaltok.training.module import TokenizerModule
from signaltok.training.start import alignment_of, from_checkpoint, take_weights
from signaltok.training.subject import Subject, check_run, chosen_checkpoint, starts_anew


class TokenizerRun(Subject):
    """See Subject."""

    module: TokenizerModule

    def __init__(self, settings: dict[str, Any], data: SignalData) -> None:
        self.settings = settings
        tokenizer = build_tokenizer(settings)
        check_run(settings, known_metrics(settings, tokenizer))
        source = Path(settings["run"]["init_from"]) if starts_anew(settings) else None
        if source is not None:
            take_weights(tokenizer, source, settings["run"]["checkpoint"])
        self.run_data = build_run_data(settings, data=data)
        self.module = build_module(settings, tokenizer, self.run_data)
        if source is not None:
            self.module.start_from(source)

    def conclude(
        self, device: torch.device, *, folder: Path, figures: dict[str, float], started: float, writes: bool
    ) -> None:
        """See Subject."""
        conclude(
            self._chosen(device),
            self.run_data,
            folder=folder,
            metrics=build_each(self.settings["metrics"]),
            splits=("test", "val"),
            figures=figures,
            report=self.settings["run"]["report"],
            started=started,
            writes=writes,
            alignment=self._chosen_alignment(device),
        )

    def exporter(self, device: torch.device, folder: Path) -> Callable[[Path], Path] | None:
        """See Subject."""
        name = self.settings["run"]["checkpoint"]
        return lambda out: write_run(self._chosen(device), folder, out, checkpoint=name)

    def _chosen(self, device: torch.device) -> Any:
        """The tokenizer to evaluate: from the chosen checkpoint; without checkpoints, as training left it."""
        path = chosen_checkpoint(self.settings)
        return (self.module.tokenizer.eval() if path is None else from_checkpoint(path)).to(device)

    def _chosen_alignment(self, device: torch.device) -> Alignment | None:
        """The alignment that goes with the chosen tokenizer, None without."""
        path = chosen_checkpoint(self.settings)
        alignment = self.module.objective.alignment if path is None else alignment_of(path)
        return None if alignment is None else alignment.to(device)
