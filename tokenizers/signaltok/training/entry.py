"""What train.py and eval.py share: preparing Hydra, the overrides as typed, warnings, errors without a traceback."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from signaltok.training.config import resolve
from signaltok.training.interrupted import RunInterruptedError


def prepare() -> None:
    """Make schemas and resolvers known to Hydra, and keep warnings that no user can act on off the screen."""
    resolve.prepare(runs=True)
    warnings.filterwarnings("ignore", ".isinstance.treespec, LeafSpec.. is deprecated", FutureWarning)
    warnings.filterwarnings("ignore", "The '.*_dataloader' does not have many workers")
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # of 1 x 1 channels_last weights
    # Meant so: encoders that are led, and towers that have settled.
    warnings.filterwarnings("ignore", "Found .* module.s. in eval mode at the start of training")


def in_sweep() -> bool:
    """Whether this is a trial of a sweep, to be run in a process of its own."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def overrides() -> list[str]:
    """The overrides of this job, as they were typed."""
    return list(HydraConfig.get().overrides.task)


class _OnScreen(logging.Handler):
    """Our warnings, a line each on stderr as it then is: a progress bar stands in for it."""

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        sys.stderr.write(f"{record.levelname.lower()}: {record.getMessage()}\n")


@contextmanager
def user_errors() -> Iterator[None]:
    """Print what is wrong with the input as one short message and exit with 1; HYDRA_FULL_ERROR=1 shows the trace.

    Warnings of ours are printed as they come.
    """
    ours, screen = logging.getLogger("signaltok"), _OnScreen(logging.WARNING)
    ours.addHandler(screen)
    try:
        yield
    except RunInterruptedError as interruption:
        sys.stderr.write(f"{interruption}\n")
        raise SystemExit(interruption.status) from None
    except (ValueError, OSError) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        sys.stderr.write(f"error: {error}\n")
        _remove_if_empty(Path(HydraConfig.get().runtime.output_dir))
        raise SystemExit(1) from None
    finally:
        ours.removeHandler(screen)


def _remove_if_empty(folder: Path) -> None:
    """A run that never began leaves no folder behind."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
