"""A small store of two levels, and filling it."""

import hashlib

import numpy as np

from signaltok.store.index import fill_store
from signaltok.store.plan import Failure, Header, Item

HEADER = Header(
    fingerprint="a" * 64,
    modality="image",
    codebook_sizes=(65_536, 65_537),
    strides=((4, 4), (8, 8)),
    value_range=(-1.0, 1.0),
)
KEYS = ["b/2.png", "a/1.png", "ü 3.png", "c.png", "broken.png"]


def make_item(key: str) -> Item:
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "little")
    generator = np.random.default_rng(seed)
    height, width = (int(n) for n in generator.integers(1, 40, 2))
    levels = tuple(
        generator.integers(0, size, [-(-height // step[0]), -(-width // step[1])])
        for size, step in zip(HEADER.codebook_sizes, HEADER.strides, strict=True)
    )
    levels[0].flat[0], levels[1].flat[0] = 65_535, 65_536
    return Item(key=key, levels=levels, signal_size=(height, width))


def compute(key: str) -> Item | Failure:
    return Failure(key, "truncated") if key == "broken.png" else make_item(key)


def fill(folder, *, header=HEADER, keys=KEYS, shard_items=2, compute=compute):
    advanced = []
    index = fill_store(
        folder, header, keys, shard_items=shard_items, device="cpu", compute=compute, advance=advanced.append
    )
    assert sum(advanced) == len(keys)
    return index


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
