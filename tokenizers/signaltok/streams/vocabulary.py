"""The vocabulary map: which id means what. `vocab.json` holds it; the SHA-256 of its canonical JSON is its identity.

Blocks, in order: control (64 ids), number (256: digits of sizes and times), text (the 256 bytes), then one block for
each level of each stream. A vocabulary that extends a language model has that model's text ids first, so that its
embeddings keep their rows. The size is padded to a multiple of 128.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from signaltok.streams.errors import TokenDataError
from signaltok.streams.stream import Stream

FORMAT_VERSION = 1
FILE = "vocab.json"
CONTROL_SIZE, NUMBER_SIZE, BYTES, MULTIPLE = 64, 256, 256, 128
CONTROL = (
    "pad",
    "bos",
    "eos",
    "mask",
    "sep",
    "begin_text",
    "end_text",
    "begin_mix",
    "end_mix",
    "frame",
    "row_end",
    "time",
)
FIRST_OF_STREAMS = 16  # between the two: reserved
TICK_DIGITS = 3


@dataclass(frozen=True)
class Block:
    """The ids from offset to offset + size - 1."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Vocabulary:
    """streams: in the order of their blocks. external_text: the number of a language model's ids, None for bytes.

    tick: seconds; times are whole numbers of it. chunk_ticks: how long a piece of interleaved signals is.
    """

    streams: tuple[Stream, ...]
    external_text: int | None = None
    tick: Fraction = Fraction(1, 100)
    chunk_ticks: int = 100

    def __post_init__(self) -> None:
        names = [stream.name for stream in self.streams]
        most = (CONTROL_SIZE - FIRST_OF_STREAMS) // 2
        if len(set(names)) != len(names) or len(names) > most or {"text", "mix", "control", "number"} & set(names):
            raise ValueError(f"up to {most} streams have names of their own, none of them text or mix, got {names}")
        if self.external_text is not None and self.external_text < 1:
            raise ValueError(f"an external text vocabulary has at least one id, got {self.external_text}")
        if self.chunk_ticks < 1 or self.tick <= 0:
            raise ValueError(
                f"a tick and a chunk last longer than nothing, got {self.tick} s and {self.chunk_ticks} ticks"
            )

    @cached_property
    def blocks(self) -> dict[str, Block]:
        """By name, in the order of the ids."""
        found: dict[str, Block] = {}
        end = 0

        def add(name: str, size: int) -> None:
            nonlocal end
            found[name] = Block(name, end, size)
            end += size

        if self.external_text is not None:
            add("text", self.external_text)
        add("control", CONTROL_SIZE)
        add("number", NUMBER_SIZE)
        if self.external_text is None:
            add("text", BYTES)
        for stream in self.streams:
            sizes = [row.size for row in stream.rows]
            if stream.transform is not None:
                size = max(sizes) if len(sizes) == 1 else sum(sizes)
                for name, count in stream.transform.blocks(size):
                    add(f"{stream.name}/{name}", count)
            elif stream.shared:
                add(f"{stream.name}/all", max(sizes))
            else:
                for row in stream.rows:
                    add(row.name, row.size)
        return found

    @cached_property
    def control(self) -> dict[str, int]:
        """Ids of the control block by name."""
        first = self.blocks["control"].offset
        names = {name: first + number for number, name in enumerate(CONTROL)}
        for number, stream in enumerate(self.streams):
            names[f"begin_{stream.name}"] = first + FIRST_OF_STREAMS + 2 * number
            names[f"end_{stream.name}"] = first + FIRST_OF_STREAMS + 2 * number + 1
        return names

    @property
    def size(self) -> int:
        """Number of ids in use, gaps of the control block included."""
        return max(block.offset + block.size for block in self.blocks.values())

    @property
    def padded_size(self) -> int:
        """The rows that a language model's embedding has: size up to a multiple of 128."""
        return -(-self.size // MULTIPLE) * MULTIPLE

    def stream(self, name: str) -> Stream:
        """By name. ValueError where there is none."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise ValueError(f"there is no stream {name!r}; there are {', '.join(s.name for s in self.streams) or 'none'}")

    def row_offsets(self, stream: Stream) -> np.ndarray:
        """int64 [rows]: the first id of each row of a stream; of a transformed one, of its symbols."""
        if stream.transform is not None:
            sizes = np.array([row.size for row in stream.rows], np.int64)
            return self.blocks[f"{stream.name}/codes"].offset + np.cumsum(sizes) - sizes
        if stream.shared:
            return np.full(len(stream.rows), self.blocks[f"{stream.name}/all"].offset, np.int64)
        return np.array([self.blocks[row.name].offset for row in stream.rows], np.int64)

    def kinds(self, ids: np.ndarray) -> np.ndarray:
        """int8 [n]: 0 for control and numbers, 1 for text, 2 + i for the codes of stream i."""
        blocks = list(self.blocks.values())
        names = {stream.name: 2 + number for number, stream in enumerate(self.streams)}
        kinds = [0 if b.name in ("control", "number") else 1 if b.name == "text" else names[b.name.partition("/")[0]]
                 for b in blocks]  # fmt: skip
        ends = np.array([block.offset + block.size for block in blocks])
        if len(ids) and (ids.min() < 0 or ids.max() >= self.size):
            raise ValueError(f"ids from {ids.min()} to {ids.max()}, but the vocabulary has 0 to {self.size - 1}")
        return np.array(kinds, np.int8)[np.searchsorted(ends, ids, side="right")]

    def check_fingerprint(self, name: str, fingerprint: str, place: str) -> None:
        """Raise TokenDataError where the codes at place are of another tokenizer than the stream's."""
        ours = self.stream(name).fingerprint
        if ours != fingerprint:
            raise TokenDataError(
                place, f"codes of tokenizer {fingerprint[:12]}…, but the stream {name!r} is of {ours[:12]}…"
            )

    def to_json(self) -> dict[str, Any]:
        """Everything explicit: what vocab.json holds."""
        return {
            "format_version": FORMAT_VERSION,
            "control": self.control,
            "blocks": [{"name": b.name, "offset": b.offset, "size": b.size} for b in self.blocks.values()],
            "size": self.size,
            "padded_size": self.padded_size,
            "text": "bytes" if self.external_text is None else "external",
            "tick": [self.tick.numerator, self.tick.denominator],
            "chunk_ticks": self.chunk_ticks,
            "streams": [stream.to_json() for stream in self.streams],
        }

    @property
    def identity(self) -> str:
        """SHA-256 of the canonical JSON: sorted keys, no spaces, ASCII."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Vocabulary":
        """The inverse of to_json. ValueError where it lacks something or its offsets are not those that follow."""
        if content.get("format_version") != FORMAT_VERSION:
            raise ValueError(
                f"a vocabulary of format {content.get('format_version')}, this signaltok reads {FORMAT_VERSION}; "
                "export the tokenizer again"
            )
        try:
            text = next(block["size"] for block in content["blocks"] if block["name"] == "text")
            vocabulary = cls(
                streams=tuple(Stream.from_json(entry) for entry in content["streams"]),
                external_text=None if content["text"] == "bytes" else text,
                tick=Fraction(*content["tick"]),
                chunk_ticks=content["chunk_ticks"],
            )
        except (KeyError, TypeError, StopIteration) as error:
            raise ValueError(f"a vocabulary that is damaged ({type(error).__name__}: {error})") from None
        if vocabulary.to_json() != content:
            raise ValueError("a vocabulary whose ids are not those that follow from its streams")
        return vocabulary


def read_vocabulary(path: Path) -> Vocabulary:
    """From vocab.json, or from the folder that holds it. Raises TokenDataError naming the file where it is damaged."""
    path = path / FILE if path.is_dir() else path
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no object")
        return Vocabulary.from_json(content)
    except FileNotFoundError:
        raise ValueError(f"there is no {path}") from None
    except ValueError as error:
        raise TokenDataError(str(path), str(error)) from None
