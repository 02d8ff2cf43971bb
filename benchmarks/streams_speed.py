"""A million codes to ids and back: pictures of 256 codes, speech of 8 levels, one long recording, a mix by time.

python benchmarks/speed.py streams [--json]

Seconds on the clock and seconds of the processor that this process (one thread) took, which differ where others use the
machine; the best of three. Parsing is checked to give the documents back.
"""

import argparse
import json
import time

import numpy as np

from signaltok.streams.documents import Document, Mix, Signal, Text, Word
from signaltok.streams.grammar import Grammar
from signaltok.streams.patterns import Pattern
from signaltok.streams.stream import stream_of
from signaltok.streams.vocabulary import Vocabulary

CODES, ROUNDS = 1_000_000, 3
PICTURE = {"fingerprint": "p", "modality": "image", "codebook_sizes": [1024], "strides": [[8, 8]]}
CODEC = {"fingerprint": "c", "modality": "audio", "codebook_sizes": [1024] * 8, "strides": [[320]] * 8,
         "sample_rate": 24_000}  # fmt: skip
SNAC = {**CODEC, "codebook_sizes": [4096] * 3, "strides": [[2048], [1024], [512]]}


def sound(generator: np.random.Generator, header: dict, frames: int) -> Signal:
    stride = header["strides"][0][0]
    levels = zip(header["codebook_sizes"], header["strides"], strict=True)
    codes = tuple(generator.integers(0, size, frames * stride // own[0]) for size, own in levels)
    return Signal("audio", codes, (frames * stride,))


def cases() -> dict[str, tuple[Vocabulary, list[Document]]]:
    generator = np.random.default_rng(0)
    picture, codec, snac = stream_of(PICTURE), stream_of(CODEC), stream_of(SNAC)
    delay = stream_of(CODEC, pattern=Pattern("delay", tuple(range(8))))
    long = sound(generator, CODEC, CODES // 8)
    words = tuple(Word(50 * n, Text.of("word")) for n in range(3000))
    pictures = [[Signal("image", (generator.integers(0, 1024, (16, 16)),), (128, 128))] for _ in range(CODES // 256)]
    speech = [[sound(generator, CODEC, 125)] for _ in range(CODES // 1000)]
    return {
        "pictures of 256 codes": (Vocabulary((picture,)), pictures),
        "speech of 1,000 codes, flat": (Vocabulary((codec,)), speech),
        "one recording, 8 levels, flat": (Vocabulary((codec,)), [[long]]),
        "one recording, 8 levels, delay": (Vocabulary((delay,)), [[long]]),
        "one recording, 3 rates": (Vocabulary((snac,)), [[sound(generator, SNAC, CODES // 7)]]),
        "one recording, second by second": (Vocabulary((codec,)), [[Mix((long,), words)]]),
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    rows = []
    for name, (vocabulary, documents) in cases().items():
        times: list[tuple[float, float, float, float]] = []
        count = 0
        for _ in range(ROUNDS):
            grammar = Grammar(vocabulary)
            start, own_start = time.perf_counter(), time.process_time()
            ids = grammar.render_all(documents)
            middle, own_middle = time.perf_counter(), time.process_time()
            back = grammar.parse(ids)
            end, own_end = time.perf_counter(), time.process_time()
            times.append((middle - start, end - middle, own_middle - own_start, own_end - own_middle))
            assert back == documents, f"{name}: parsing gave other documents"
            count = len(ids)
        names = ("render_s", "parse_s", "render_cpu_s", "parse_cpu_s")
        best = (min(column) for column in zip(*times, strict=True))
        rows.append({"case": name, "ids": count, **dict(zip(names, best, strict=True))})
    if options.json:
        print(json.dumps(rows))
        return
    for row in rows:
        rendered, parsed = (
            f"{row[f'{what}_s']:.2f} s (CPU {row[f'{what}_cpu_s']:.2f} s)" for what in ("render", "parse")
        )
        print(f"{row['case']:<34} {row['ids']:>9,} ids  rendered in {rendered}, parsed in {parsed}")
