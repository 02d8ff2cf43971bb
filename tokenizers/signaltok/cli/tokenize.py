"""Turn a folder of pictures or sounds into a token store: hashed shards of codes, one item a file.

A run that was stopped goes on where it stopped when the same command is given again.
"""

import argparse
from pathlib import Path

from signaltok.artifact.read import read_config
from signaltok.cli.console import complain, progress_bar, say
from signaltok.cli.locate import open_tokenizer, tokenizer_folder
from signaltok.cli.signal_files import signal_files
from signaltok.store.index import fill_store
from signaltok.store.plan import Failure, Header, Item


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok tokenize` takes."""
    parser.add_argument("tokenizer", type=Path, metavar="TOKENIZER", help="an exported tokenizer, or an exported run")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="pictures or sounds, nested as they may be")
    parser.add_argument("--out", type=Path, required=True, metavar="TOKENS", help="folder of the token store")
    parser.add_argument("--shard-items", type=int, default=1024, metavar="N", help="files a shard (default 1024)")
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu (default), cuda, cuda:1, mps")


def run(options: argparse.Namespace) -> int:
    """Tokenize; 0 unless no file could be read."""
    folder = tokenizer_folder(options.tokenizer)
    header = read_header(folder)
    files = signal_files(folder)
    keys = files.keys(options.folder)
    tokenizer = open_tokenizer(folder, options.device)
    named: set[str] = set()

    def compute(key: str) -> Item | Failure:
        try:
            signal = files.read(options.folder / key)
        except ValueError as error:
            reason = str(error).removeprefix(f"cannot read {options.folder / key}: ")
            complain(f"could not read {key}: {reason}")
            named.add(key)
            return Failure(key=key, reason=reason)
        stack = tokenizer.encode(signal[None])
        levels = tuple(level[0].cpu().numpy() for level in stack.levels)
        return Item(key=key, levels=levels, signal_size=stack.signal_size)

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
    for failure in index["failures"]:
        if failure["key"] not in named:
            complain(f"could not read {failure['key']} in an earlier run: {failure['reason']}")
    failed = len(index["failures"])
    if not index["items"]:
        raise ValueError(f"none of the {failed} {files.words} of {options.folder} could be read")
    unread = f", {failed} could not be read" if failed else ""
    say(f"{index['items']} {files.words}, {sum(index['tokens'])} tokens in {options.out}{unread}")
    return 0


def read_header(folder: Path) -> Header:
    """What a store records of the tokenizer in folder. Raises ValueError where it has no codes."""
    config = read_config(folder)
    if not config["codebook_sizes"]:
        raise ValueError(f"{folder} has no codes (its quantizer is the identity); use embed in Python")
    return Header.from_json(config)
