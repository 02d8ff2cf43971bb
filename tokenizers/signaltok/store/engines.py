"""Who computes the items of a store: this process, others of this machine, or a Ray cluster. The store is the same.

An engine is given keys and gives their items in the same order, a few at a time, so that no more than some items a
worker are in memory. Every worker opens what it needs once (`Opener`), and computes each item alone, while a thread of
it reads the next.
"""

import multiprocessing
import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from multiprocessing.connection import wait

from signaltok.store.plan import Failure, Item

Result = Item | Failure
Reader = Callable[[str], Callable[[], Result]]  # reads what a key names, and gives what computes it
Opener = Callable[[], Reader]  # called once in every worker; can be pickled
KEYS_A_TASK = 4
TASKS_A_WORKER = 3  # that are handed out at a time, so that no worker waits for the next one
DIED = "a worker process ended in the middle of its work (was it out of memory?); the same command goes on"


class Engine(AbstractContextManager["Engine"], ABC):
    """Open while its block lasts."""

    @abstractmethod
    def results(self, keys: Iterable[str]) -> Iterator[Result]:
        """An item or a failure for each key, in their order. OSError where a worker is lost."""


class InProcess(Engine):
    """One worker: this process."""

    def __init__(self, opener: Opener) -> None:
        self.reader = opener()

    def __exit__(self, *raised: object) -> None:
        """Nothing was opened."""

    def results(self, keys: Iterable[str]) -> Iterator[Result]:
        """See Engine."""
        return read_ahead(self.reader, keys)


class LocalProcesses(Engine):
    """Processes of this machine, which end with this one, however it ends."""

    def __init__(self, opener: Opener, *, workers: int) -> None:
        check_workers(workers)
        self.workers = workers
        self.pool = ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(opener,)
        )

    def __exit__(self, *raised: object) -> None:
        """End the workers; what they have not begun is dropped."""
        self.pool.shutdown(cancel_futures=True)

    def results(self, keys: Iterable[str]) -> Iterator[Result]:
        """See Engine."""
        try:
            yield from in_order(self.workers, keys, lambda task: self.pool.submit(_computed, task).result)
        except BrokenProcessPool:
            raise OSError(DIED) from None


def read_ahead(reader: Reader, keys: Iterable[str]) -> Iterator[Result]:
    """The results in order, each computed by the caller's thread while another one reads the next key."""
    with ThreadPoolExecutor(1) as thread:
        read: Future[Callable[[], Result]] | None = None
        for key in keys:
            begun = thread.submit(reader, key)
            if read is not None:
                yield read.result()()
            read = begun
        if read is not None:
            yield read.result()()


def in_order(
    workers: int, keys: Iterable[str], start: Callable[[tuple[str, ...]], Callable[[], list[Result]]]
) -> Iterator[Result]:
    """Hand tasks of some keys out, a few ahead, and take their results in order. start gives what waits for a task."""
    waiting: deque[Callable[[], list[Result]]] = deque()
    for task in batches(keys):
        waiting.append(start(task))
        if len(waiting) >= workers * TASKS_A_WORKER:
            yield from waiting.popleft()()
    while waiting:
        yield from waiting.popleft()()


def batches(keys: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Runs of KEYS_A_TASK keys."""
    task: list[str] = []
    for key in keys:
        task.append(key)
        if len(task) == KEYS_A_TASK:
            yield tuple(task)
            task = []
    if task:
        yield tuple(task)


def check_workers(workers: int) -> None:
    """ValueError for fewer than one."""
    if workers < 1:
        raise ValueError(f"there is at least one worker, got {workers}")


_reader: Reader | None = None  # of a worker process


def _begin(opener: Opener) -> None:
    global _reader
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _reader = opener()


def _end_with_parent() -> None:
    """A parent that is killed closes nothing, and its workers would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker was started by a process"
    wait([parent.sentinel])
    os._exit(1)


def _computed(task: tuple[str, ...]) -> list[Result]:
    assert _reader is not None, "a worker opens before it is given a task"
    return list(read_ahead(_reader, task))
