"""Turn a folder of pictures, sounds or videos into a token store: hashed shards of codes, one item a file.

Of a tokenizer that gives text, spoken.jsonl beside it says what each item says and when. A run that was stopped goes on
where it stopped when the same command is given again.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from signaltok.artifact.read import read_config
from signaltok.cli.console import complain, progress_bar, say
from signaltok.cli.locate import open_tokenizer, tokenizer_folder
from signaltok.cli.pieces import can_stream, encode_pieces
from signaltok.cli.probe import probe_hash
from signaltok.cli.signal_files import signal_files
from signaltok.cli.spoken import write_spoken
from signaltok.files import write_text
from signaltok.language.decoding import ORIGIN
from signaltok.store.engines import Engine, InProcess, LocalProcesses, Reader, check_workers
from signaltok.store.index import fill_store_by
from signaltok.store.plan import Failure, Header, Item
from signaltok.tokenizer import Tokenizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `signaltok tokenize` takes."""
    parser.add_argument("tokenizer", type=Path, metavar="TOKENIZER", help="an exported tokenizer, or an exported run")
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="pictures, sounds or videos, nested as they may be, or one file"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="TOKENS", help="folder of the token store")
    parser.add_argument("--shard-items", type=int, default=1024, metavar="N", help="files a shard (default 1024)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that encode, one thread each "
                        "(default 1); the store is the same to the bit whatever their number")  # fmt: skip
    parser.add_argument("--engine", default="local", choices=("local", "ray"), help="processes of this machine "
                        "(default), or of the Ray cluster at RAY_ADDRESS, else of one on this machine")  # fmt: skip
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu (default), cuda, cuda:1, mps")


def run(options: argparse.Namespace) -> int:
    """Tokenize; 0 unless no file could be read."""
    folder = tokenizer_folder(options.tokenizer)
    header = read_header(folder)
    files = signal_files(folder)
    keys = files.keys(options.folder)
    root = options.folder.parent if options.folder.is_file() else options.folder
    check_workers(options.workers)
    tokenizer = open_tokenizer(folder, options.device)
    with one_thread():
        header = replace(header, probe=probe_hash(tokenizer, files, read_config(folder)))
        opener = FileEncoder(folder, root, options.device)
        named: set[str] = set()
        with (
            engine_of(options.engine, opener, options.workers) as engine,
            progress_bar("tokenize", len(keys)) as progress,
        ):

            def results(wanted: Iterable[str]) -> Iterator[Item | Failure]:
                for result in engine.results(wanted):
                    if isinstance(result, Failure):
                        complain(f"could not read {result.key}: {result.reason}")
                        named.add(result.key)
                    yield result

            index = fill_store_by(
                options.out,
                header,
                keys,
                shard_items=options.shard_items,
                device=options.device,
                results=results,
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
    if tokenizer.decoder.writes:
        say(f"what was said, token by token: {write_spoken(tokenizer, options.out)}")
    say(f"{index['items']} {files.words}, {sum(index['tokens'])} tokens in {options.out}{unread}")
    return 0


@dataclass(frozen=True)
class FileEncoder:
    """Opens the tokenizer in a worker; then gives the codes of a file below folder, or why it could not be read."""

    tokenizer: Path
    folder: Path
    device: str

    def __call__(self) -> Reader:
        """What reads a key; what is read piece by piece is read while it is encoded."""
        torch.set_num_threads(1)
        tokenizer, files = open_tokenizer(self.tokenizer, self.device), signal_files(self.tokenizer)
        pieces = files.pieces if can_stream(tokenizer) else None

        def failure(key: str, error: ValueError) -> Failure:
            return Failure(key=key, reason=str(error).removeprefix(f"cannot read {self.folder / key}: "))

        def in_pieces(key: str) -> Item | Failure:
            assert pieces is not None
            try:
                return encode_pieces(tokenizer, key, pieces(self.folder / key, tokenizer.block))
            except ValueError as error:
                return failure(key, error)

        def read(key: str) -> Callable[[], Item | Failure]:
            if pieces is not None:
                return partial(in_pieces, key)
            try:
                signal = files.read(self.folder / key)
            except ValueError as error:
                return partial(failure, key, error)
            return partial(encode_item, tokenizer, key, signal)

        return read


def engine_of(name: str, opener: FileEncoder, workers: int) -> Engine:
    """The engine of that name; a single local worker is this process."""
    if name == "ray":
        from signaltok.store.ray_engine import RayWorkers  # Ray is imported for those who ask for it alone

        # Elsewhere this process's folder is another one.
        there = FileEncoder(opener.tokenizer.resolve(), opener.folder.resolve(), opener.device)
        return RayWorkers(there, workers=workers)
    return InProcess(opener) if workers == 1 else LocalProcesses(opener, workers=workers)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for each worker: what a sum is split into decides its last bits, and codes are to depend on nothing
    but the signal, whatever the number of workers.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def encode_item(tokenizer: Tokenizer, key: str, signal: Tensor) -> Item:
    """The codes of a signal [c, *s]."""
    stack = tokenizer.encode(signal[None])
    levels = tuple(level[0].cpu().numpy() for level in stack.levels)
    spans = None if stack.spans is None or stack.spans[0] is None else stack.spans[0][0].cpu().numpy()
    return Item(key=key, levels=levels, signal_size=stack.signal_size, spans=spans)


def read_header(folder: Path) -> Header:
    """What a store records of the tokenizer in folder. Raises ValueError where it has no codes."""
    config = read_config(folder)
    if not config["codebook_sizes"]:
        raise ValueError(f"{folder} has no codes (its quantizer is the identity); use embed in Python")
    return Header.from_json(config)
