"""From a plain, checked config to the objects of a training run."""

import logging
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, ProgressBar

from signaltok.data.signal_data import SignalData
from signaltok.language.token_data import TokenData
from signaltok.metrics.joint_codes import NAMES as TOGETHER
from signaltok.metrics.joint_codes import on_one_grid
from signaltok.metrics.retrieval import value_names
from signaltok.tokenizer import Tokenizer
from signaltok.training.adversarial import GradientClip
from signaltok.training.callbacks.clock import TrainingClock
from signaltok.training.checkpoint_io import AtomicCheckpointIO
from signaltok.training.config.build import build, build_each
from signaltok.training.config.resolve import fit_to_length, unvalidated
from signaltok.training.data_module import RunData
from signaltok.training.module import TokenizerModule

CODE_VALUES = ("usage", "perplexity", "dead", "entropy", "tokens")
RATES = ("bits_per_pixel", "entropy_bits_per_pixel")
RATES_OF_SOUNDS = ("bitrate", "effective_bitrate")
RATES_OF_VIDEOS = (*RATES_OF_SOUNDS, "tokens_per_second")
_log = logging.getLogger(__name__)


def build_tokenizer(config: dict[str, Any]) -> Tokenizer:
    """Encoder, quantizer and decoder, joined."""
    parts = {name: build(config[name]) for name in ("encoder", "quantizer", "decoder")}
    tokenizer = build(config["tokenizer"], **parts)
    if not isinstance(tokenizer, Tokenizer):
        raise ValueError(f"tokenizer._target_ is {config['tokenizer']['_target_']}, which is no Tokenizer")
    return tokenizer


def build_data(config: dict[str, Any]) -> SignalData | TokenData:
    """What the run is trained on: signals of a tokenizer, examined, token stores of a language model.

    ValueError for others.
    """
    data, wanted = build(config["data"]), SignalData if config.get("language_model") is None else TokenData
    if not isinstance(data, wanted):
        what = "signals, which a tokenizer needs" if wanted is SignalData else "tokens; give data=tokens"
        raise ValueError(f"data._target_ is {config['data']['_target_']}, which gives no {what}")
    if isinstance(data, SignalData):
        data.examine()
    return data


def build_run_data(config: dict[str, Any], *, data: SignalData | TokenData) -> RunData:
    """The data of a run with its limits."""
    trainer = config["trainer"]
    return RunData(
        data=data,
        seed=config["seed"],
        num_batches=trainer["max_steps"] * trainer["accumulate_grad_batches"],
        repeat_batches=config["run"]["repeat_batches"],
        limit_eval_batches=config["run"]["limit_eval_batches"],
    )


def build_module(config: dict[str, Any], tokenizer: Tokenizer, data: RunData) -> TokenizerModule:
    """The Lightning module of a run."""
    assert isinstance(data.data, SignalData), "a tokenizer is trained on signals"
    _check_data(tokenizer, data.data)
    trainer, adversary, balance = config["trainer"], config.get("adversary"), config.get("balance")
    objective = build(config["objective"])
    if any(term.needs for term in objective.terms.values()):
        objective.check_fields(data.data.optional_fields())
    transcripts = data.data.transcripts()
    if transcripts is not None:
        objective.check_transcripts(transcripts, tokenizer.encoder.stride[0])
    return TokenizerModule(
        tokenizer=tokenizer,
        objective=objective,
        adversary=None if adversary is None else build(adversary),
        balance=None if balance is None else build(balance),
        pictures_until=config["run"].get("pictures_until"),  # runs of before it was there can be gone on with
        optimization=build(config["optimization"]),
        metrics=build_each(config["metrics"]),
        max_steps=trainer["max_steps"],
        batches_a_step=trainer["accumulate_grad_batches"],
        clip=GradientClip(trainer["gradient_clip_val"], trainer["gradient_clip_algorithm"]),
        log_every_n_steps=fit_to_length(trainer)["log_every_n_steps"],
        record={
            "task_name": config["task_name"],
            "seed": config["seed"],
            "max_steps": trainer["max_steps"],
            "data_fingerprint": data.data.fingerprint(),
            "value_range": list(tokenizer.value_range),
            "codebook_sizes": list(tokenizer.quantizer.codebook_sizes),
        },
    )


def build_trainer(config: dict[str, Any]) -> tuple[pl.Trainer, TrainingClock]:
    """The Trainer with its callbacks and loggers, and the clock that measures training alone."""
    clock = TrainingClock()
    callbacks = [*build_each(config["callbacks"]).values(), clock]
    settings = fit_to_length(config["trainer"])
    words = unvalidated(config["trainer"]["max_steps"], config["trainer"]["val_check_interval"])
    if words is not None:
        _log.warning(words)
    if settings["accelerator"] == "gpu" and not torch.cuda.is_available():
        raise ValueError(
            "trainer.accelerator is gpu, but PyTorch finds none here; take trainer=cpu, or trainer=ddp_sim for two "
            "processes on the CPU"
        )
    if config.get("adversary") is not None:
        # With two optimizers Lightning does neither: training/adversarial.py does both.
        settings |= {"gradient_clip_val": None, "gradient_clip_algorithm": None, "accumulate_grad_batches": 1}
    trainer = build(
        settings,
        callbacks=callbacks,
        logger=list(build_each(config["logger"]).values()) or False,
        plugins=[AtomicCheckpointIO()],
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
    )
    return trainer, clock


def known_metrics(config: dict[str, Any], tokenizer: Tokenizer) -> list[str]:
    """Every name by which a run of this config and tokenizer can be judged at its end."""
    nodes = {name: node for name, node in config["metrics"].items() if node is not None}
    evaluated = [given for name, node in nodes.items() for given in value_names(name, node)]
    if tokenizer.quantizer.codebook_sizes:
        timed = RATES_OF_VIDEOS if tokenizer.encoder.axes == 3 else RATES_OF_SOUNDS
        evaluated += [*CODE_VALUES, *(RATES if tokenizer.sample_rate is None else timed)]
        if on_one_grid(zip(tokenizer.strides, tokenizer.shares, strict=True)):
            evaluated += TOGETHER
    splits = ("val", "test") if config["run"]["evaluate"] else ("val",)
    return [f"{split}/{name}" for split in splits for name in evaluated]


def _check_data(tokenizer: Tokenizer, data: SignalData) -> None:
    if tuple(data.value_range) != tuple(tokenizer.value_range):
        raise ValueError(
            f"data gives values in {tuple(data.value_range)}, tokenizer.value_range is {tokenizer.value_range}; "
            "set the tokenizer's to the data's"
        )
    if data.channels != tokenizer.encoder.channels:
        raise ValueError(
            f"data gives {data.channels} channels, the encoder takes {tokenizer.encoder.channels}; "
            f"set encoder.channels={data.channels}"
        )
    if data.sample_rate != tokenizer.sample_rate:
        raise ValueError(
            f"data gives {data.sample_rate} samples a second, tokenizer.sample_rate is {tokenizer.sample_rate}; set "
            "the tokenizer's to the data's (frames a second of videos, null for pictures)"
        )
