"""How long training took, without validation."""

import time
from typing import Any

from pytorch_lightning import Callback


class Stopwatch(Callback):
    """seconds: wall time from the first batch to the last, less the time of validations; kept over a resume."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since: float | None = None

    def on_train_start(self, *_: Any) -> None:
        """Start."""
        self._since = time.perf_counter()

    def _pause(self) -> None:
        if self._since is not None:
            self.seconds += time.perf_counter() - self._since
            self._since = None

    def on_validation_start(self, *_: Any) -> None:
        """Pause."""
        self._pause()

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        """Go on, where this was a validation inside training."""
        if not trainer.sanity_checking and trainer.training:
            self._since = time.perf_counter()

    def on_train_end(self, *_: Any) -> None:
        """Stop."""
        self._pause()

    def state_dict(self) -> dict[str, Any]:
        """See Lightning."""
        running = 0.0 if self._since is None else time.perf_counter() - self._since
        return {"seconds": self.seconds + running}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See Lightning."""
        self.seconds = state_dict["seconds"]
