"""Reads back what wandb wrote into run-<id>.wandb: a log of blocks of 32 KiB, as LevelDB's, of protobuf records."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path: Path) -> list[Record]:
    data = path.read_bytes()
    assert data[:4] == b":W&B", f"{path} begins with {data[:7]!r}"
    place, content, found = 7, b"", []
    while place + 7 <= len(data):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        checksum, length, kind = struct.unpack("<IHB", data[place : place + 7])
        piece = data[place + 7 : place + 7 + length]
        assert checksum == zlib.crc32(piece, zlib.crc32(bytes([kind]))), f"{path} is damaged at {place}"
        content = piece if kind in (FULL, FIRST) else content + piece
        place += 7 + length
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(content)
            found.append(record)
    assert place == len(data)
    return found


def of_kind(path: Path, kind: str) -> list[Any]:
    return [getattr(record, kind) for record in records(path) if record.WhichOneof("record_type") == kind]


def nested(items: Any) -> dict[str, Any]:
    """The values of history, summary or config items; a nested key becomes nested dicts."""
    values: dict[str, Any] = {}
    for item in items:
        *path, last = item.nested_key or [item.key]
        inner = values
        for name in path:
            inner = inner.setdefault(name, {})
        inner[last] = json.loads(item.value_json)
    return values


def history(path: Path) -> list[dict[str, Any]]:
    return [nested(row.item) for row in of_kind(path, "history")]


def merged(path: Path, kind: str) -> dict[str, Any]:
    """All updates of config or summary on top of each other."""
    values: dict[str, Any] = {}
    for record in of_kind(path, kind):
        values |= nested(record.update)
    return values
