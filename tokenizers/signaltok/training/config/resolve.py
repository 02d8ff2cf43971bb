"""From Hydra's config to plain data: resolvers, resolution, and the config that a resumed run goes on with."""

from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from signaltok.training.config import schema
from signaltok.training.config.precision import fast_autocast
from signaltok.training.launch import free_name, new_folder
from signaltok.training.run_folder import CONFIG


def prepare(*, runs: bool = False) -> None:
    """Make schemas and resolvers known; called before Hydra composes. runs: whether what is composed is then run."""
    schema.register()
    # The folder of a run is made when its name is asked for first, and of a config that is only read it has a name.
    # Hydra asks in several copies of the config, each of which has a cache of its own, so the answer is kept here.
    OmegaConf.register_new_resolver("run_dir", cache(_run_dir if runs else _run_name), replace=True)
    OmegaConf.register_new_resolver("fast_autocast", fast_autocast, replace=True)
    OmegaConf.register_new_resolver("at_most", min, replace=True)


def moved(value: Any, old: str, new: str) -> Any:
    """The same settings with paths inside the old folder turned to the new one."""
    if isinstance(value, dict):
        return {key: moved(entry, old, new) for key, entry in value.items()}
    if isinstance(value, list):
        return [moved(entry, old, new) for entry in value]
    if isinstance(value, str) and (value == old or value.startswith(old + "/")):
        return new + value[len(old) :]
    return value


def _run_dir(resume: str | None, runs: str) -> str:
    """The folder of a run: a resumed run goes on in its own, a new one gets a new one in `runs`."""
    return str(new_folder(Path(runs))) if resume is None else resume


def _run_name(resume: str | None, runs: str) -> str:
    """As _run_dir, but makes nothing."""
    return str(Path(runs) / free_name(Path(runs))) if resume is None else resume


def plain(config: DictConfig) -> dict[str, Any]:
    """All interpolations resolved, nothing but dicts, lists and values. ValueError names what cannot be resolved."""
    try:
        resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ValueError(f"{error.full_key} must be given: add {error.full_key}=VALUE") from None
    except OmegaConfBaseException as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{getattr(error, 'full_key', '') or 'config'}: {reason}") from None
    assert isinstance(resolved, dict), "the root of a config is a dict"
    return {str(key): value for key, value in resolved.items()}


def stored(run: Path) -> dict[str, Any]:
    """The config that a run folder was made with. ValueError where there is none."""
    path = run / CONFIG
    if not path.is_file():
        raise ValueError(f"{run} is not a run folder: it has no {CONFIG}")
    content = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    assert isinstance(content, dict), f"{path} holds no mapping"
    return {str(key): value for key, value in content.items()}


def unvalidated(steps: int, interval: int) -> str | None:
    """Words on the last steps of a run where no validation follows them; None where one does."""
    interval = min(interval, steps)
    left = steps % interval
    if not left:
        return None
    whole = max(number for number in range(1, interval + 1) if steps % number == 0)
    return (
        f"trainer.max_steps={steps} is no multiple of trainer.val_check_interval={interval}: the last {left} steps are "
        f"never validated, and a best checkpoint is one of before them; {whole} divides it"
    )


def fit_to_length(trainer: dict[str, Any]) -> dict[str, Any]:
    """The trainer's node as Lightning takes it: intervals of a long run cut down to max_steps, validation in batches.

    Its max_time is left out: the callback interruption keeps it, and loses nothing.
    """
    steps, batches = trainer["max_steps"], trainer["accumulate_grad_batches"]
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"trainer.max_steps is {steps}; runs are bounded by steps, give 1 or more")
    if not isinstance(batches, int) or batches < 1:
        raise ValueError(f"trainer.accumulate_grad_batches is {batches}; give the batches of a step, 1 or more")
    fitted = {name: value for name, value in trainer.items() if name != "max_time"}
    for name in ("val_check_interval", "log_every_n_steps"):
        value = trainer[name]
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"trainer.{name} is {value}; give it in steps, 1 or more")
        fitted[name] = min(value, steps)
    fitted["val_check_interval"] *= batches
    return fitted
