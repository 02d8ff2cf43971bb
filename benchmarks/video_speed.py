"""Frames a second that a video tokenizer encodes, and the memory that clips of minutes take.

python benchmarks/speed.py video [--experiments video_causal,video_haar] [--seconds 10] [--minutes 1,5,10] [--json]

Frames are those of data/video, 160 x 90 pixels at 12 a second, decoded from the file as they are needed and over again
where it ends; codes are to the bit those of the whole clip (`exact`, as `signaltok tokenize` does). `free` is encoder
and quantizer over one batch of all frames, and `decoding` the file alone. Memory is the peak of the process above what
it was before the clip. Parts are untrained: speed does not depend on the weights.
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import torch
from against_peer import extra_megabytes, seconds
from encoding_speed import free, tokenizer
from torch import Tensor

from signaltok.cli.pieces import encode_pieces
from signaltok.data.read_video import read_pieces
from signaltok.tokenizer import Tokenizer

FILM = Path(__file__).parents[1] / "data" / "video" / "big_buck_bunny.mp4"
EXPERIMENTS, RATE, PIECE, ROUNDS = "video_causal,video_haar,video_inflated,video_frames", 12, 16, 3


def frames(count: int) -> Iterator[Tensor]:
    """So many frames of the film in pieces [3, n, h, w], from its beginning, over again where it ends."""
    left = count
    for piece in chain.from_iterable(read_pieces(FILM, RATE, PIECE) for _ in repeat(None)):
        yield piece[:, :left]
        left -= piece.shape[1]
        if left <= 0:
            return


def encoded(model: Tokenizer, count: int) -> int:
    """How many frames were encoded, piece by piece."""
    return encode_pieces(model, "clip", frames(count)).signal_size[0]


def throughput(name: str, model: Tokenizer, count: int, rounds: int) -> dict[str, object]:
    """Medians of rounds in turns."""
    whole = torch.cat(list(frames(count)), dim=1)
    ways = {
        "exact": lambda: encode_pieces(model, "clip", iter(whole.split(PIECE, dim=1))),
        "free": lambda: free(model, whole[None]),
        "decoding": lambda: list(frames(count)),
    }
    for call in ways.values():
        call()
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, call in ways.items():
            times[way].append(seconds(call))
    return {"experiment": name, "frames": count, **{way: count / statistics.median(t) for way, t in times.items()}}


def memory(name: str, model: Tokenizer, minutes: list[float]) -> dict[str, object]:
    """Megabytes of each clip; flat: the largest over the smallest."""
    encoded(model, 2 * PIECE)  # what the first call keeps
    found = {clip: extra_megabytes(lambda clip=clip: encoded(model, round(clip * 60 * RATE))) for clip in minutes}
    return {
        "experiment": name, "megabytes": {f"{clip:g}": peak for clip, peak in found.items()},
        "flat": max(found.values()) / max(1e-3, min(found.values())),
    }  # fmt: skip


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="speed.py video", description=__doc__)
    parser.add_argument("--experiments", default=EXPERIMENTS, help="comma-separated")
    parser.add_argument("--seconds", type=float, default=10, help="of the clip whose throughput is measured")
    parser.add_argument("--minutes", default="1,5,10", help="of the clips whose memory is measured; empty for none")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the last line is a JSON list of the rows")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    minutes = [float(clip) for clip in options.minutes.split(",") if clip]
    print(f"torch {torch.__version__}; {options.threads} threads, median of {options.rounds}; frames a second")
    rows = []
    for name in options.experiments.split(","):
        model = tokenizer(name)
        row = throughput(name, model, max(1, round(options.seconds * RATE)), options.rounds)
        rows.append(row)
        speeds = ", ".join(f"{way} {row[way]:.1f}" for way in ("exact", "free", "decoding"))
        print(f"{name:<16} {speeds}", flush=True)
        if minutes:
            row = memory(name, model, minutes)
            rows.append(row)
            peaks = ", ".join(f"{clip} min {peak:.1f} MB" for clip, peak in row["megabytes"].items())
            print(f"{name:<16} {peaks}; largest over smallest {row['flat']:.2f}", flush=True)
    if options.json:
        print(json.dumps(rows))
