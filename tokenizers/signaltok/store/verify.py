"""Holding a store to everything that it says of itself: hashes, counts, ranges, keys, the index."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from signaltok.files import read_json
from signaltok.store.index import INDEX, Store, derive_index, read_store
from signaltok.store.plan import Item, hash_of_keys
from signaltok.store.shard import read_shard, read_side
from signaltok.streams.errors import TokenDataError


def verify_store(folder: Path, *, seen: Callable[[Item], None]) -> Store:
    """Read every shard and hold it to its side file and to the index. seen is given every item, in order.

    TokenDataError with the place of the first thing that does not hold. One shard is in memory at a time.
    """
    store = read_store(folder)
    if read_json(folder / INDEX) != derive_index(folder):
        raise TokenDataError(str(folder / INDEX), "it is not what follows from the side files; run tokenize again")
    last = None
    for shard in store.shards:
        path = folder / shard["file"]
        side = read_side(path.with_suffix(".json"))
        items = read_shard(folder, side)
        keys = [item.key for item in items]
        counts = [sum(item.levels[level].size for item in items) for level in range(len(store.header.codebook_sizes))]
        if len(items) != side["items"] or counts != side["tokens"]:
            raise TokenDataError(
                str(path), f"{len(items)} items, {counts} tokens; its side file says {side['items']}, {side['tokens']}"
            )
        planned = sorted([*keys, *(failure["key"] for failure in side["failures"])])
        if (
            keys != sorted(keys)
            or hash_of_keys(planned) != side["planned_keys"]
            or (last is not None and planned[0] <= last)
        ):
            raise TokenDataError(str(path), "its keys are not those that were planned, or not in order")
        last = planned[-1]
        for item in items:
            seen(item)
    return store


def sample_of(count: int, most: int) -> set[int]:
    """The numbers of at most so many items, spread evenly over all, the first and the last among them."""
    return set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()) if count else set()


def compare_codes(stored: Item, again: Item, place: str) -> None:
    """TokenDataError where two encodings of an item differ, with the level and how many codes do."""
    if stored.signal_size != again.signal_size:
        raise TokenDataError(place, f"{stored.key} has size {stored.signal_size}, its file now has {again.signal_size}")
    for level, (old, new) in enumerate(zip(stored.levels, again.levels, strict=True)):
        if old.shape != new.shape or (differing := int((old != new).sum())):
            problem = (
                f"grid {old.shape}, now {new.shape}" if old.shape != new.shape else f"{differing} of {old.size} codes"
            )
            raise TokenDataError(place, f"{stored.key} encodes to something else now: level {level}, {problem}")
    if stored.spans is not None and again.spans is not None and (stored.spans != again.spans).any():
        raise TokenDataError(place, f"{stored.key} has the same tokens at other places now")
