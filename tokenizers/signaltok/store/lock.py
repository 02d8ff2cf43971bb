"""One writer at a time: a lock that the operating system lets go of when its process ends, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signaltok.streams.errors import TokenDataError

LOCK = ".lock"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the store in folder, which is made where it is not there. TokenDataError where another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file may have been removed by its last holder between our opening and our locking it.
            ours = path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino
        except BlockingIOError:
            ours = False
        if not ours:
            raise TokenDataError(
                str(folder), "another process is writing this store; wait until it has ended, or give a new folder"
            )
        try:
            yield
        finally:
            path.unlink()
    finally:
        os.close(descriptor)
