"""Turn a folder of pictures, sounds or videos into a token store: hashed shards of codes, one item a file.

A run that was stopped goes on where it stopped when the same command is given again.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from signaltok.artifact.read import read_config
from signaltok.cli.console import complain, progress_bar, say
from signaltok.cli.locate import open_tokenizer, tokenizer_folder
from signaltok.cli.pieces import can_stream, encode_pieces
from signaltok.cli.probe import probe_hash
from signaltok.cli.signal_files import signal_files
from signaltok.files import write_text
from signaltok.store.index import fill_store
from signaltok.store.plan import Failure, Header, Item
from signaltok.tokenizer import Tokenizer

ORIGIN = "origin.json"  # beside the index: where tokenizer and files were, for `signaltok inspect --verify`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok tokenize` takes."""
    parser.add_argument("tokenizer", type=Path, metavar="TOKENIZER", help="an exported tokenizer, or an exported run")
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="pictures, sounds or videos, nested as they may be, or one file"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="TOKENS", help="folder of the token store")
    parser.add_argument("--shard-items", type=int, default=1024, metavar="N", help="files a shard (default 1024)")
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu (default), cuda, cuda:1, mps")


def run(options: argparse.Namespace) -> int:
    """Tokenize; 0 unless no file could be read."""
    folder = tokenizer_folder(options.tokenizer)
    header = read_header(folder)
    files = signal_files(folder)
    keys = files.keys(options.folder)
    root = options.folder.parent if options.folder.is_file() else options.folder
    tokenizer = open_tokenizer(folder, options.device)
    header = replace(header, probe=probe_hash(tokenizer, files, read_config(folder)))
    in_pieces = files.pieces is not None and can_stream(tokenizer)
    named: set[str] = set()

    def compute(key: str) -> Item | Failure:
        try:
            if in_pieces:
                assert files.pieces is not None
                return encode_pieces(tokenizer, key, files.pieces(root / key, tokenizer.block))
            signal = files.read(root / key)
        except ValueError as error:
            reason = str(error).removeprefix(f"cannot read {root / key}: ")
            complain(f"could not read {key}: {reason}")
            named.add(key)
            return Failure(key=key, reason=reason)
        return encode_item(tokenizer, key, signal)

    with progress_bar("tokenize", len(keys)) as progress:
        index = fill_store(
            options.out,
            header,
            keys,
            shard_items=options.shard_items,
            device=options.device,
            compute=compute,
            advance=lambda count: progress.advance(progress.task_ids[0], count),
        )
    origin = {"tokenizer": str(folder.resolve()), "folder": str(root.resolve())}
    write_text(options.out / ORIGIN, json.dumps(origin, indent=2) + "\n")
    for failure in index["failures"]:
        if failure["key"] not in named:
            complain(f"could not read {failure['key']} in an earlier run: {failure['reason']}")
    failed = len(index["failures"])
    if not index["items"]:
        raise ValueError(f"none of the {failed} {files.words} of {options.folder} could be read")
    unread = f", {failed} could not be read" if failed else ""
    say(f"{index['items']} {files.words}, {sum(index['tokens'])} tokens in {options.out}{unread}")
    return 0


def encode_item(tokenizer: Tokenizer, key: str, signal: Tensor) -> Item:
    """The codes of a signal [c, *s]."""
    stack = tokenizer.encode(signal[None])
    levels = tuple(level[0].cpu().numpy() for level in stack.levels)
    return Item(key=key, levels=levels, signal_size=stack.signal_size)


def read_header(folder: Path) -> Header:
    """What a store records of the tokenizer in folder. Raises ValueError where it has no codes."""
    config = read_config(folder)
    if not config["codebook_sizes"]:
        raise ValueError(f"{folder} has no codes (its quantizer is the identity); use embed in Python")
    return Header.from_json(config)
