"""One shard: shard-00000.safetensors with the codes, and the side file shard-00000.json that is written last.

Tensors, for levels q = 0, 1, ... and n items in the order of their keys:

    codes.q       uint16 (uint32 where K > 65,536), flat: the items one after the other, each in raster order
    shape.q       int32 [n, axes] grid of each item; one axis where the tokens are a sequence. Left out where it is that
                  of the level before. An item begins in codes.q behind the grids before its own.
    signal_size   int32 [n, axes] size of each signal, so that decoding gives back the exact size
    spans         int32 [tokens, 2]  where the tokens are runs: the signal positions [first, end) of each
    key           uint8, flat     UTF-8 of the keys;  key_offsets int64 [n + 1]
"""

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from signaltok.files import atomic_file, write_text
from signaltok.store.plan import FORMAT_VERSION, Failure, Header, Item, Planned
from signaltok.streams.errors import TokenDataError

WIDEST_UINT16 = 65_536


def write_shard(
    folder: Path, planned: Planned, header: Header, items: list[Item], failures: list[Failure], device: str
) -> dict[str, Any]:
    """Write a shard, then its side file; the side file's content.

    Raises ValueError where codes do not fit their codebook or the items are not the planned ones.
    """
    done = sorted([item.key for item in items] + [failure.key for failure in failures])
    assert done == list(planned.keys), f"{planned.name} was planned with other keys than it is written with"
    content = save(_tensors(header, sorted(items, key=lambda item: item.key)))
    path = folder / f"{planned.name}.safetensors"
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    side = {
        "format_version": FORMAT_VERSION,
        **header.to_json(),
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "items": len(items),
        "tokens": [sum(item.levels[level].size for item in items) for level in range(len(header.codebook_sizes))],
        "planned_keys": planned.keys_hash,
        "failures": [{"key": f.key, "reason": f.reason} for f in sorted(failures, key=lambda f: f.key)],
        "device": device,
        "version": _package_version(),
    }
    write_text(folder / f"{planned.name}.json", json.dumps(side, indent=2) + "\n")
    return side


def read_side(path: Path) -> dict[str, Any]:
    """The content of a side file. TokenDataError where it is missing, damaged or of another version."""
    if not path.is_file():
        raise TokenDataError(str(path), "the side file is missing; run tokenize again with the same --out to make it")
    try:
        side = json.loads(path.read_text(encoding="utf-8"))
        if side["format_version"] != FORMAT_VERSION:
            raise TokenDataError(
                str(path), f"store format {side['format_version']}, this signaltok reads {FORMAT_VERSION}"
            )
        Header.from_json(side)
        fields = ("file", "sha256", "bytes", "items", "tokens", "planned_keys", "failures", "device", "version")
        missing = [name for name in fields if name not in side]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise TokenDataError(
            str(path), f"it is damaged ({type(error).__name__}: {error}); delete it and run tokenize again"
        ) from None
    if missing:
        raise TokenDataError(str(path), f"it lacks {', '.join(missing)}; delete it and run tokenize again")
    return side


def holds(folder: Path, side: dict[str, Any]) -> bool:
    """Whether the shard's file is there with the recorded bytes."""
    path = folder / side["file"]
    if not path.is_file() or path.stat().st_size != side["bytes"]:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == side["sha256"]


def read_shard(folder: Path, side: dict[str, Any]) -> list[Item]:
    """The items of a shard. TokenDataError naming the file where it is missing, damaged or holds what it cannot."""
    path = folder / side["file"]
    if not path.is_file():
        raise TokenDataError(str(path), "the shard is missing; run tokenize again with the same --out to make it")
    content = path.read_bytes()
    if len(content) < side["bytes"]:
        raise TokenDataError(str(path), f"it is cut: {len(content)} of {side['bytes']} bytes; run tokenize again")
    if hashlib.sha256(content).hexdigest() != side["sha256"]:
        raise TokenDataError(
            str(path), "it is damaged: its SHA-256 is not the one in its side file; run tokenize again to make it anew"
        )
    try:
        return _items(load(content), Header.from_json(side))
    except (SafetensorError, KeyError, ValueError) as error:
        raise TokenDataError(str(path), f"it is not a shard of a token store: {error}") from None


def _tensors(header: Header, items: list[Item]) -> dict[str, np.ndarray]:
    axes = header.axes
    signal_axes = len(items[0].signal_size) if items else axes
    tensors: dict[str, np.ndarray] = {}
    tensors["signal_size"] = np.array([item.signal_size for item in items], np.int32).reshape(-1, signal_axes)
    before: np.ndarray | None = None
    for level, size in enumerate(header.codebook_sizes):
        codes = [item.levels[level] for item in items]
        for item, own in zip(items, codes, strict=True):
            if own.size and (int(own.min()) < 0 or int(own.max()) >= size):
                raise ValueError(f"{item.key}: level {level} has codes outside 0 to {size - 1}")
        kind = np.uint16 if size <= WIDEST_UINT16 else np.uint32
        tensors[f"codes.{level}"] = np.concatenate([np.zeros(0, kind), *(c.astype(kind).ravel() for c in codes)])
        shape = np.array([c.shape for c in codes], np.int32).reshape(-1, axes)
        if before is None or not np.array_equal(before, shape):
            tensors[f"shape.{level}"] = shape
        before = shape
    if header.runs:
        spans = [np.zeros((0, 2), np.int64) if item.spans is None else item.spans for item in items]
        if [len(own) for own in spans] != [item.levels[0].size for item in items]:
            raise ValueError("the tokens of this tokenizer are runs: each needs a span")
        tensors["spans"] = np.concatenate([np.zeros((0, 2), np.int32), *(own.astype(np.int32) for own in spans)])
    keys = [item.key.encode("utf-8", "surrogateescape") for item in items]
    tensors["key"] = np.frombuffer(b"".join(keys), np.uint8)
    tensors["key_offsets"] = _offsets([len(key) for key in keys])
    return tensors


def _offsets(sizes: list[int]) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(sizes, np.int64))])


def _items(tensors: dict[str, np.ndarray], header: Header) -> list[Item]:
    text = tensors["key"].tobytes()
    keys = [text[a:b].decode("utf-8", "surrogateescape") for a, b in pairwise(tensors["key_offsets"].tolist())]
    if not keys:
        return []
    shapes = tensors["shape.0"]
    levels: list[list[np.ndarray]] = []
    for level, size in enumerate(header.codebook_sizes):
        shapes, codes = tensors.get(f"shape.{level}", shapes), tensors[f"codes.{level}"]
        ends = np.cumsum(np.prod(shapes, axis=1, dtype=np.int64))
        if len(shapes) != len(keys) or int(ends[-1]) != len(codes):
            raise ValueError(f"level {level} has {len(codes)} codes, which its {len(shapes)} shapes do not hold")
        own = [part.reshape(shape) for part, shape in zip(np.split(codes, ends[:-1]), shapes, strict=True)]
        for key, part in zip(keys, own, strict=True):
            if part.size and int(part.max()) >= size:
                raise ValueError(f"{key}: level {level} has the code {part.max()}, its codebook has 0 to {size - 1}")
        levels.append(own)
    spans: list[np.ndarray | None] = [None] * len(keys)
    if header.runs:
        spans = list(np.split(tensors["spans"], np.cumsum([len(own) for own in levels[0]])[:-1]))
    return [
        Item(key=key, levels=tuple(own[number] for own in levels), signal_size=tuple(size), spans=spans[number])
        for number, (key, size) in enumerate(zip(keys, tensors["signal_size"].tolist(), strict=True))
    ]


def _package_version() -> str:
    try:
        return version("signaltok")
    except PackageNotFoundError:
        return "unknown"
