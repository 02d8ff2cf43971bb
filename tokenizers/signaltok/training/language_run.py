"""A run that trains a language model on token stores."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from signaltok.artifact.describe import build as build_described
from signaltok.artifact.read import fill
from signaltok.checkpoint import read_checkpoint
from signaltok.files import write_text
from signaltok.language.evaluation import evaluate_language
from signaltok.language.gpt import GPT
from signaltok.language.proof import Proof, Proven
from signaltok.language.token_data import TokenData
from signaltok.reports.made import PROOF, save_made
from signaltok.reports.page import write_report
from signaltok.streams.vocabulary import FILE
from signaltok.training import run_folder
from signaltok.training.assemble import build_run_data
from signaltok.training.config.build import build, build_each
from signaltok.training.config.resolve import fit_to_length
from signaltok.training.figures import show
from signaltok.training.language_module import LanguageModule
from signaltok.training.subject import Subject, check_run, chosen_checkpoint

SPLITS = ("test", "val")


class LanguageRun(Subject):
    """See Subject."""

    module: LanguageModule

    def __init__(self, settings: dict[str, Any], data: TokenData) -> None:
        self.settings, self.data = settings, data
        if settings["run"]["init_from"] is not None:
            raise ValueError("run.init_from is for tokenizers; a language model begins with weights of its own")
        if settings["run"].get("pictures_until") is not None:
            raise ValueError("run.pictures_until is for tokenizers of videos; leave it out")
        trainer = settings["trainer"]
        model = build(settings["language_model"], vocabulary_size=data.vocabulary.padded_size)
        if not isinstance(model, GPT):
            raise ValueError(f"language_model._target_ is {settings['language_model']['_target_']}, which is no GPT")
        self.proofs = build_each(settings["metrics"])
        for name, proof in self.proofs.items():
            if not isinstance(proof, Proof):
                raise ValueError(
                    f"metrics.{name} measures tokenizers ({type(proof).__name__}); a language model is run with "
                    "metrics=language"
                )
        check_run(settings, self._known())
        self.run_data = build_run_data(settings, data=data)
        self.module = LanguageModule(
            model=model,
            data=data,
            optimization=build(settings["optimization"]),
            max_steps=trainer["max_steps"],
            batches_a_step=trainer["accumulate_grad_batches"],
            log_every_n_steps=fit_to_length(trainer)["log_every_n_steps"],
            record={
                "task_name": settings["task_name"],
                "seed": settings["seed"],
                "max_steps": trainer["max_steps"],
                "data_fingerprint": data.fingerprint(),
            },
        )

    def _known(self) -> list[str]:
        """Every name by which a run can be judged at its end, the proofs' own left out."""
        names = ["bits_per_token"]
        for stream in self.data.vocabulary.streams:
            names += [f"{kind}_{stream.name}" for kind in ("bits_per_token", "bits_per_dimension")]
        splits = SPLITS if self.settings["run"]["evaluate"] else ("val",)
        return [f"{split}/{name}" for split in splits for name in names]

    def conclude(
        self, device: torch.device, *, folder: Path, figures: dict[str, float], started: float, writes: bool
    ) -> None:
        """Costs of both splits; then, in the first process, the proofs."""
        model = self._chosen().to(device)
        found = {
            split: evaluate_language(
                model, self.run_data.eval_batches(split), self.data.vocabulary, self.data.splits[split]
            )
            for split in SPLITS
        }
        for split, values in found.items():
            figures.update({f"{split}/{name}": value for name, value in values.items()})
        if not writes:
            return
        seed = self.settings["seed"]
        proven = [proof.prove(model, self.data, found["val"], seed=seed) for proof in self.proofs.values()]
        for own in proven:
            figures.update({f"val/{name}": value for name, value in own.values.items()})
        write_text(folder / FILE, json.dumps(self.data.vocabulary.to_json(), indent=2) + "\n")
        self._write_proof(folder, proven)
        report = self.settings["run"]["report"]
        if report:
            save_made(folder, [made for own in proven for made in own.made])
        figures["run/seconds"] = time.perf_counter() - started
        run_folder.write_summary(folder, figures)
        if report:
            write_report(folder)
        show(figures, protocols={}, folder=folder, report=report)
        console = Console(soft_wrap=True)
        for verdict in (verdict for own in proven for verdict in own.verdicts):
            told = "holds" if verdict.passed else "DOES NOT HOLD"
            console.print(f"{verdict.rule}: {told}; {verdict.words}", highlight=False)

    def _write_proof(self, folder: Path, proven: list[Proven]) -> None:
        """proof.json: of each rule, whether it holds and by which numbers."""
        rules = {v.rule: {"passed": v.passed, "words": v.words} for own in proven for v in own.verdicts}
        write_text(folder / PROOF, json.dumps(rules, indent=2, ensure_ascii=False) + "\n")

    def exporter(self, device: torch.device, folder: Path) -> Callable[[Path], Path] | None:
        """None: nothing that tokenizes comes out of this run."""
        del device, folder

    def _chosen(self) -> GPT:
        """The model to evaluate, in eval mode: from the chosen checkpoint; without checkpoints, as training left it."""
        path = chosen_checkpoint(self.settings)
        if path is None:
            return self.module.model.eval()
        content = read_checkpoint(path)
        model = build_described(content["language_model_description"])
        assert isinstance(model, GPT), "the run's own checkpoint describes what it trained"
        weights = {k.removeprefix("model."): v for k, v in content["state_dict"].items() if k.startswith("model.")}
        fill(model, weights, path)
        return model.eval()
