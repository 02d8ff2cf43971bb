"""Workers of a Ray cluster: the one that RAY_ADDRESS names, else a small one on this machine that ends with the block.

Ray reports nothing: usage statistics are switched off before it is imported. The workers read the files and the
tokenizer by the same paths as this process, and need this package installed.
"""

import importlib
import itertools
import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any

from signaltok.store.engines import DIED, Engine, Opener, Result, check_workers, in_order, read_ahead

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_USAGE_STATS_PROMPT_ENABLED": "0"}


class RayWorkers(Engine):
    """Actors, each of one processor. ValueError where Ray is not installed or does not start."""

    def __init__(self, opener: Opener, *, workers: int) -> None:
        check_workers(workers)
        self.workers = workers
        self.ray = _ray()
        self.started = not self.ray.is_initialized()
        if self.started:
            self._start()
        actor = self.ray.remote(num_cpus=1)(_Worker)
        self.actors = [actor.remote(opener) for _ in range(workers)]

    def _start(self) -> None:
        address = os.environ.get("RAY_ADDRESS")
        own: dict[str, Any] = {"num_cpus": self.workers, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        try:
            self.ray.init(
                address=address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                configure_logging=False,
                **({} if address else own),
            )
        except (ConnectionError, RuntimeError, TimeoutError) as error:
            raise ValueError(f"Ray does not start: {error}") from None

    def __exit__(self, *raised: object) -> None:
        """End the actors, and the cluster where it was started here."""
        for actor in self.actors:
            self.ray.kill(actor)
        if self.started:
            self.ray.shutdown()

    def results(self, keys: Iterable[str]) -> Iterator[Result]:
        """See Engine."""
        turns = itertools.cycle(self.actors)

        def start(task: tuple[str, ...]) -> Any:
            reference = next(turns).computed.remote(task)
            return lambda: self.ray.get(reference)

        try:
            yield from in_order(self.workers, keys, start)
        except self.ray.exceptions.RayActorError as error:
            raise OSError(f"{DIED}. Ray says: {error}") from None
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, ValueError | OSError):
                raise error.cause from None
            raise


class _Worker:
    """An actor."""

    def __init__(self, opener: Opener) -> None:
        self.reader = opener()

    def computed(self, task: tuple[str, ...]) -> list[Result]:
        """The results of some keys."""
        return list(read_ahead(self.reader, task))


def _ray() -> Any:
    os.environ.update(QUIET)
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError:
        raise ValueError("--engine ray needs Ray: pip install 'signaltok[cluster]'") from None
