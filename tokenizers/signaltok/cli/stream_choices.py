"""What `signaltok stream` may be told of its text, its transforms and its documents."""

import argparse
import hashlib
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from signaltok.files import read_json
from signaltok.store.datasets.export import in_validation
from signaltok.store.datasets.joined import name_of
from signaltok.store.index import Store
from signaltok.streams.documents import Signal, Text
from signaltok.streams.pairs import learn_pairs
from signaltok.streams.render import symbol_line
from signaltok.streams.run_length import RunLength
from signaltok.streams.stream import Stream, transformed


def add_choices(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--text-tokenizer", type=Path, metavar="FILE", help="tokenizer.json of a language model: its "
                        "ids come first in the vocabulary, and texts are in them")  # fmt: skip
    parser.add_argument("--text-rows", type=int, metavar="N", help="rows of that model's embedding, where it has more "
                        "than its tokenizer has ids; alone: so many ids come first, without texts")  # fmt: skip
    parser.add_argument("--run-lengths", action="append", default=[], metavar="STREAM=LONGEST", help="write each run "
                        "of equal codes as its code and its duration")  # fmt: skip
    parser.add_argument("--pairs", action="append", default=[], metavar="STREAM=MERGES", help="byte-pair encoding of "
                        "the codes, learned from the train split")  # fmt: skip
    parser.add_argument("--join", action="store_true", help="one document of all items of a name, such as a/b.png "
                        "and a/b.wav of two stores")  # fmt: skip


@dataclass(frozen=True)
class ExternalText:
    """rows: ids that come first, None for bytes. of: a text in the vocabulary's ids. notes: for stream.json."""

    rows: int | None
    of: Callable[[str], Text]
    notes: tuple[str, ...]


def external_text(options: argparse.Namespace) -> ExternalText:
    """What the options say of the text. ValueError where they do not go together or the file does not do."""
    path, rows = options.text_tokenizer, options.text_rows
    if path is None:
        if rows is not None and options.texts is not None:
            raise ValueError("--text-rows alone has no way to write texts: give --text-tokenizer, or leave out --texts")
        return ExternalText(rows, Text.of, ())
    tokenizer = _read_tokenizer(path)
    ids = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    if rows is not None and rows < ids:
        raise ValueError(f"--text-rows is {rows}, but {path} has ids up to {ids - 1}; give {ids} or more")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    note = f"text: the ids of {path.name}, SHA-256 {digest}; names of special tokens in a text are text"

    def of(text: str) -> Text:
        return Text(np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int64))

    return ExternalText(ids if rows is None else rows, of, (note,))


def transformed_streams(
    streams: Sequence[Stream], stores: Sequence[Store], options: argparse.Namespace
) -> list[Stream]:
    """The streams with the transforms that were asked for. ValueError for a stream that is not there or cannot."""
    runs, pairs = _numbers("--run-lengths", options.run_lengths), _numbers("--pairs", options.pairs)
    names = [stream.name for stream in streams]
    for option, given in (("--run-lengths", runs), ("--pairs", pairs)):
        for name in given.keys() - set(names):
            raise ValueError(f"{option} names the stream {name!r}; the stores give {', '.join(names)}")
    if both := sorted(runs.keys() & pairs.keys()):
        raise ValueError(f"{both[0]!r} has run lengths and pairs; a line is transformed once")
    found = []
    for stream, store in zip(streams, stores, strict=True):
        if stream.name in runs:
            stream = transformed(stream, RunLength(runs[stream.name]))
        elif stream.name in pairs:
            symbols = sum(row.size for row in stream.rows)
            lines = (
                symbol_line(stream, Signal(stream.name, item.levels, item.signal_size))
                for item in store
                if not in_validation(name_of(item.key) if options.join else item.key, options.validation)
            )
            stream = transformed(stream, learn_pairs(lines, symbols=symbols, merges=pairs[stream.name]))
        found.append(stream)
    return found


def _numbers(option: str, given: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in given:
        name, _, number = text.partition("=")
        if not name or not number.isdecimal() or int(number) < 1 or name in found:
            raise ValueError(f"{option} takes STREAM=NUMBER, once a stream and 1 or more, not {text!r}")
        found[name] = int(number)
    return found


def _read_tokenizer(path: Path) -> Any:
    try:
        package = importlib.import_module("tokenizers")  # Hugging Face's; our source root of that name is no package
    except ModuleNotFoundError:
        raise ValueError("--text-tokenizer needs Hugging Face's tokenizers: pip install tokenizers") from None
    content = read_json(path)
    if content is None:
        raise ValueError(f"there is no {path}; give the tokenizer.json of a language model")
    if not isinstance(content.get("model"), dict) or "type" not in content["model"]:
        raise ValueError(f"{path} is no tokenizer.json of Hugging Face's: it has no model")
    tokenizer = package.Tokenizer.from_str(json.dumps(content))
    tokenizer.encode_special_tokens = True  # what a user types is text, also where it spells a special token
    return tokenizer
