"""Splits that depend on an item's name alone, so that adding or removing files moves no other file."""

import hashlib
from typing import Literal, get_args

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


def bucket_of(key: str, buckets: int) -> int:
    """The MD5 of key as one integer, modulo buckets."""
    digest = hashlib.md5(key.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    return int(digest, 16) % buckets


def split_of(key: str) -> Split:
    """Bucket 0 of ten is test, bucket 1 is val, the rest is train."""
    bucket = bucket_of(key, 10)
    return "test" if bucket == 0 else "val" if bucket == 1 else "train"


def check_split(split: str) -> None:
    """ValueError where split is not the name of one."""
    if split not in SPLITS:
        raise ValueError(f"there is no split {split!r}; the splits are {', '.join(SPLITS)}")
