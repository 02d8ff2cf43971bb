"""An evaluation run: a run or an exported tokenizer on its own data or any others, into a folder of its own."""

import time
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from signaltok.artifact.trained import is_run
from signaltok.data.signal_data import SignalData
from signaltok.training import run_folder
from signaltok.training.assemble import build_data
from signaltok.training.config.build import build_each
from signaltok.training.config.check import check
from signaltok.training.config.resolve import plain, stored
from signaltok.training.config.schema import CHECKPOINTS, EvalConfig
from signaltok.training.config.show import show_config
from signaltok.training.data_module import RunData
from signaltok.training.figures import conclude
from signaltok.training.provenance import changes, collect
from signaltok.training.start import read_alignment, read_tokenizer

SPLITS = ("test", "val")


def evaluate_run(config: DictConfig, *, command: list[str], overrides: list[str]) -> dict[str, float]:
    """Evaluate run.path; the figures of the summary. Raises ValueError where path holds no tokenizer."""
    started = time.perf_counter()
    if OmegaConf.is_missing(config.run, "path"):
        raise ValueError("give run.path=RUN_OR_TOKENIZER, such as run.path=outputs/latest")
    path = Path(config.run.path)
    if is_run(path):
        # Before anything is resolved: composed metrics may look at the data.
        for group in ("data", "metrics"):
            OmegaConf.update(config, group, _of_run(path, group, config[group], overrides), merge=False)
    settings = plain(config)
    chosen = settings["run"]
    if chosen["checkpoint"] not in CHECKPOINTS or chosen["split"] not in SPLITS:
        raise ValueError(
            f"run.checkpoint is {chosen['checkpoint']!r}, one of {', '.join(CHECKPOINTS)}; "
            f"run.split is {chosen['split']!r}, one of {', '.join(SPLITS)}"
        )
    check(settings, EvalConfig)
    if settings["print_config"]:
        show_config(settings)
    pl.seed_everything(settings["seed"], workers=True, verbose=False)
    tokenizer = read_tokenizer(path, chosen["checkpoint"]).to(_device(settings["device"]))
    alignment = read_alignment(path, chosen["checkpoint"])
    data = build_data(settings)
    assert isinstance(data, SignalData), "a config of eval.py has no language model"
    run_data = RunData(
        data=data,
        seed=settings["seed"],
        num_batches=1,
        repeat_batches=None,
        limit_eval_batches=chosen["limit_eval_batches"],
    )
    folder = Path(settings["paths"]["output_dir"])
    description = {**data.describe(), "fingerprint": data.fingerprint()}
    provenance = collect(
        command=command, overrides=overrides, seed=settings["seed"], data=description, config_hash=None
    )
    provenance["evaluated"] = str(path.resolve())
    run_folder.open_new(folder, settings, overrides, provenance, changes())
    figures: dict[str, float] = {}
    conclude(
        tokenizer,
        run_data,
        folder=folder,
        metrics=build_each(settings["metrics"]),
        splits=(chosen["split"],),
        figures=figures,
        report=chosen["report"],
        started=started,
        writes=True,
        tokens=chosen["tokens"],
        levels=chosen["levels"],
        alignment=None if alignment is None else alignment.to(tokenizer.device),
    )
    return figures


def _of_run(run: Path, group: str, composed: DictConfig, overrides: list[str]) -> DictConfig:
    """The run's node with `group.key=value` on top; the composed one where `group=` was given."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    if any(override.key_or_group == group for override in parsed):
        return composed
    node = OmegaConf.create(stored(run)[group])
    for override in parsed:
        if override.key_or_group.startswith(f"{group}."):
            key = override.key_or_group.removeprefix(f"{group}.")
            OmegaConf.update(node, key, override.value(), force_add=True)
    assert isinstance(node, DictConfig), f"{group} is a node"
    return node


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device is {name!r}; give cpu, cuda, cuda:1 or mps") from None
    there = {"cpu": True, "cuda": (device.index or 0) < torch.cuda.device_count()}
    if not there.get(device.type, device.type == "mps" and torch.backends.mps.is_available()):
        raise ValueError(f"this machine has no device {name}; give device=cpu")
    return device
