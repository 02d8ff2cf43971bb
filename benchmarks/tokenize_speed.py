"""Tokenizing data/photos and data/speech: throughput against the bare encoder loop, where the time goes, bytes a code.

python benchmarks/speed.py tokenize [--pictures TOKENIZER] [--sounds TOKENIZER] [--only sounds] [--workers 2]
    [--limit N] [--json]

The bare loop is Tokenizer.encode over the same signals, read before and held in memory. Tokenizing is what `signaltok
tokenize` does: opening the tokenizer, the probe, reading, encoding, hashing, writing. `ratio` is the items a second of
the whole command against those of the bare loop; `running` leaves out what it does once (opening and probe). Everything
has one thread a process. The two alternate; the median of the rounds counts. Without a tokenizer, that of experiment
quickstart or audio_spectral stands in, untrained: speed does not depend on the weights.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from signaltok.cli import tokenize
from signaltok.cli.locate import open_tokenizer, tokenizer_folder
from signaltok.cli.signal_files import SignalFiles, signal_files
from signaltok.store import index
from signaltok.tokenizer import Tokenizer

ROOT = Path(__file__).parents[1]
ROUNDS = 3
STANDINS = {"pictures": ("quickstart", "photos"), "sounds": ("audio_spectral", "speech")}
ONCE = ("opening", "probe")


class Clock:
    """Seconds by name, added up over the calls of what is wrapped."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*positional: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*positional, **named)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

        return call


@contextmanager
def watched(clock: Clock, tokenizer: Path) -> Iterator[None]:
    """The command's own functions, timed. The probe reads and encodes too, which counts as probe alone."""
    opening, probing, encoding = tokenize.open_tokenizer, tokenize.probe_hash, tokenize.encode_item
    finding, writing = tokenize.signal_files, index.write_shard

    def files(folder: Path) -> SignalFiles:
        found = finding(folder)
        reading = clock.timed("reading", found.read)
        return SignalFiles(found.words, found.suffixes, reading, found.suffix, found.write)

    untimed = finding(tokenizer)
    tokenize.open_tokenizer = clock.timed("opening", opening)
    tokenize.probe_hash = clock.timed("probe", lambda opened, _, config: probing(opened, untimed, config))
    tokenize.encode_item = clock.timed("encoding", encoding)
    tokenize.signal_files = files
    index.write_shard = clock.timed("hashing and writing", writing)
    try:
        yield
    finally:
        tokenize.open_tokenizer, tokenize.probe_hash, tokenize.encode_item = opening, probing, encoding
        tokenize.signal_files, index.write_shard = finding, writing


def exported(name: str, given: Path | None, place: Path) -> Path:
    if given is not None:
        return tokenizer_folder(given)
    from hydra import compose, initialize_config_dir

    from signaltok.training.assemble import build_tokenizer
    from signaltok.training.config.resolve import plain, prepare

    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", ["paths.output_dir=run", f"experiment={STANDINS[name][0]}"])
    torch.manual_seed(0)
    return build_tokenizer(plain(config)).eval().save(place / name)


def bare(tokenizer: Tokenizer, signals: list[torch.Tensor]) -> float:
    start = time.perf_counter()
    for signal in signals:
        tokenizer.encode(signal[None])
    return time.perf_counter() - start


def row(name: str, folder: Path, data: Path, place: Path, workers: int, limit: int | None) -> dict[str, Any]:
    files = signal_files(folder)
    keys = files.keys(data)[:limit]
    source = place / f"{name}_data"
    for key in keys:  # links, so that the command sees as many files as are measured
        (source / key).parent.mkdir(parents=True, exist_ok=True)
        (source / key).symlink_to((data / key).resolve())
    signals = [files.read(source / key) for key in keys]
    tokenizer = open_tokenizer(folder, "cpu")
    loops, walls, splits = [], [], []
    for number in range(ROUNDS):
        loops.append(bare(tokenizer, signals))
        clock, out = Clock(), place / f"{name}_{number}"
        with watched(clock, folder):
            start = time.perf_counter()
            run_command(folder, source, out, workers)
            walls.append(time.perf_counter() - start)
        splits.append(clock.seconds)
    store = index.read_store(out)
    size = sum(shard["bytes"] for shard in store.shards)
    loop, wall = statistics.median(loops), statistics.median(walls)
    split = {part: statistics.median(own.get(part, 0.0) for own in splits) for part in splits[0]}
    once = sum(split.get(part, 0.0) for part in ONCE)
    return {
        "data": name, "items": len(keys), "codes": sum(store.tokens), "workers": workers, "bare_s": loop,
        "wall_s": wall, "ratio": loop / wall, "running": loop / (wall - once), "split_s": split,
        "bytes_a_code": size / sum(store.tokens),
    }  # fmt: skip


def run_command(folder: Path, data: Path, out: Path, workers: int) -> None:
    parser = argparse.ArgumentParser()
    tokenize.add_arguments(parser)
    given = [str(folder), str(data), "--out", str(out), "--workers", str(workers)]
    assert tokenize.run(parser.parse_args(given)) == 0


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, metavar="TOKENIZER")
    parser.add_argument("--sounds", type=Path, metavar="TOKENIZER")
    parser.add_argument("--workers", type=int, default=1, metavar="N")
    parser.add_argument("--limit", type=int, metavar="N", help="the first so many files alone")
    parser.add_argument("--only", choices=STANDINS, help="pictures or sounds alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name, (_, data) in STANDINS.items():
            if options.only not in (None, name):
                continue
            folder = exported(name, getattr(options, name), Path(place))
            rows.append(row(name, folder, ROOT / "data" / data, Path(place), options.workers, options.limit))
    if options.json:
        print(json.dumps(rows))
        return
    for found in rows:
        print(
            f"{found['data']}: {found['items']} items, {found['codes']:,} codes; the bare loop took "
            f"{found['bare_s']:.2f} s, tokenizing with {found['workers']} worker(s) {found['wall_s']:.2f} s: ratio "
            f"{found['ratio']:.3f}, running {found['running']:.3f}; {found['bytes_a_code']:.4f} bytes a code"
        )
        rest = found["wall_s"] - sum(found["split_s"].values())
        parts = {**found["split_s"], "the rest (workers' own time included)": rest}
        print("  " + ", ".join(f"{part} {seconds:.2f} s" for part, seconds in parts.items()))
