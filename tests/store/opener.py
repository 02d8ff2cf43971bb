"""What workers open in the tests of engines: a module of its own, as their processes import it by its name."""

import os
import signal
from dataclasses import dataclass
from functools import partial

from stores import HEADER, compute

from signaltok.store.index import fill_store_by

KEYS = [f"{number:02d}.png" for number in range(11)] + ["broken.png"]


@dataclass(frozen=True)
class Opener:
    """What a worker opens. kill: at this key it ends; refuse: at this key it says what the user did wrong."""

    kill: str = ""
    refuse: str = ""

    def __call__(self):
        return lambda key: partial(self.compute, key)

    def compute(self, key):
        if key == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if key == self.refuse:
            raise ValueError(f"{key} cannot be encoded")
        return compute(key)


def fill_by(folder, engine):
    advanced = []
    with engine:
        fill_store_by(
            folder, HEADER, KEYS, shard_items=5, device="cpu", results=engine.results, advance=advanced.append
        )  # fmt: skip
    assert sum(advanced) == len(KEYS)
