"""Figures that claims about audio need beside a run's summary, measured on its test split."""

import math
import time
from collections import Counter
from pathlib import Path

import torch
from omegaconf import OmegaConf
from torch import Tensor

from signaltok.exactness import exact_arithmetic
from signaltok.metrics.evaluation import evaluate
from signaltok.metrics.sound import LogMelDistance, ScaleInvariantRatio
from signaltok.metrics.speech_quality import ShortTimeIntelligibility
from signaltok.reports.run_files import read_curves
from signaltok.tokenizer import Tokenizer
from signaltok.training.config.build import build
from signaltok.training.start import read_tokenizer

RATE = 16000
PREFIX = 8  # of a 32-bit coder: bits that leave it at a time
SCALE = 14  # bits of the coder's frequencies
OVERLAP = 1  # cells beside the pieces of those who guess; the small codec's field is 642 samples, over two cells


def of_run(run: Path) -> tuple[Tokenizer, list[Tensor]]:
    """The tokenizer of a run and the sounds of its test split, each [1, 1, n]."""
    settings = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    data = build(settings["data"])  # type: ignore[index,call-overload]
    sounds = []
    for batch in data.eval_loader("test", rank=0, world=1):
        ends = [batch.signal.shape[-1]] * len(batch.signal) if batch.lengths is None else batch.lengths[:, 0].tolist()
        sounds += [item[..., :end] for item, end in zip(batch.signal.split(1), ends, strict=True)]
    return read_tokenizer(run, "last").eval(), sounds


def early(run: Path) -> dict[str, float]:
    """early/log_mel_dac: of the first validation, half of the run in."""
    (curve,) = (curve for curve in read_curves(run / "metrics.csv") if curve.name == "val/log_mel_dac")
    return {"early/log_mel_dac": float(curve.values[0])}


def by_levels(run: Path) -> dict[str, float]:
    """test/<figure>_of_<n>_levels, decoded from the first n levels."""
    settings = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    data = build(settings["data"])  # type: ignore[index,call-overload]
    metrics = {
        "si_sdr": ScaleInvariantRatio(),
        "log_mel": LogMelDistance(sample_rate=RATE),
        "stoi": ShortTimeIntelligibility(sample_rate=RATE),
    }
    tokenizer, figures = read_tokenizer(run, "last"), {}
    for levels in range(1, len(tokenizer.quantizer.codebook_sizes) + 1):
        found = evaluate(tokenizer, data.eval_loader("test", rank=0, world=1), metrics=metrics, levels=levels)
        figures |= {f"test/{name}_of_{levels}_levels": found.values[name] for name in metrics}
    return figures


@torch.no_grad()
def left(run: Path) -> dict[str, float]:
    """test/left: what all levels leave of the latent, as a share of its variance."""
    tokenizer, sounds = of_run(run)
    latents = torch.cat([tokenizer.embed(sound)[0] for sound in sounds])
    with exact_arithmetic(latents.device):
        z = latents.T[None].contiguous()
        rest = z - tokenizer.quantizer.decode(tokenizer.quantizer.encode(z))
    return {"test/left": float(rest.square().mean() / z.var(dim=2, correction=0).mean())}


def left_and_bits(run: Path) -> dict[str, float]:
    return left(run) | bits(run)


def bits(run: Path) -> dict[str, float]:
    """Bits a code: nominal, of the entropy of each level's histogram, coded by it, and by what stands a frame before.

    The coder is static: its tables are not counted. The adaptive ones begin with nothing: one looks at counts of the
    level, the other at those behind the level's last code too, mixed as if `size` codes of the first were among them.
    """
    tokenizer, sounds = of_run(run)
    files = [[level[0].tolist() for level in tokenizer.encode(sound).levels] for sound in sounds]
    sizes, totals = tokenizer.quantizer.codebook_sizes, Counter()
    for level, size in enumerate(sizes):
        sequences = [file[level] for file in files]
        codes = [code for sequence in sequences for code in sequence]
        counts = Counter(codes)
        totals["codes"] += len(codes)
        totals["nominal"] += len(codes) * math.log2(size)
        totals["entropy"] += -sum(n * math.log2(n / len(codes)) for n in counts.values())
        totals["coded"] += len(range_coded(codes, frequencies(counts, size))) * 8
        for name, weight in (("adaptive", None), ("context", 8.0)):
            totals[name] += adaptive_bits(sequences, size, weight)
    return {f"bits/{name}": totals[name] / totals["codes"] for name in totals if name != "codes"}


def adaptive_bits(sequences: list[list[int]], size: int, weight: float | None) -> float:
    """What an adaptive coder needs. weight: of the counts of the level among those behind a code; None: only those."""
    counts, total, behind, spent = [1.0] * size, float(size), {}, 0.0
    for sequence in sequences:
        last = None
        for code in sequence:
            share = counts[code] / total
            if weight is not None and last is not None:
                own = behind.setdefault(last, Counter())
                share = (own[code] + weight * share) / (own.total() + weight)
                own[code] += 1
            spent -= math.log2(share)
            counts[code] += 1
            total += 1
            last = code
    return spent


def frequencies(counts: Counter, size: int) -> list[int]:
    """Whole numbers that add up to 2^SCALE, none of a code that occurs being zero."""
    whole, total = 1 << SCALE, counts.total()
    found = [max(1, counts[code] * whole // total) if counts[code] else 0 for code in range(size)]
    found[max(range(size), key=found.__getitem__)] += whole - sum(found)
    return found


def range_coded(codes: list[int], table: list[int]) -> bytes:
    """Asymmetric numeral systems (Duda 2013), a byte at a time; the last code is said first."""
    starts = [0]
    for frequency in table:
        starts.append(starts[-1] + frequency)
    state, out = 1 << 23, bytearray()
    for code in reversed(codes):
        frequency = table[code]
        while state >= frequency << (31 - SCALE):
            out.append(state & 255)
            state >>= PREFIX
        state = (state // frequency << SCALE) + state % frequency + starts[code]
    return bytes(out) + state.to_bytes(4, "big")


def range_decoded(data: bytes, number: int, table: list[int]) -> list[int]:
    """The codes back."""
    owners = [code for code, frequency in enumerate(table) for _ in range(frequency)]
    starts = [0]
    for frequency in table:
        starts.append(starts[-1] + frequency)
    state, rest, codes = int.from_bytes(data[-4:], "big"), list(data[:-4]), []
    for _ in range(number):
        place = state & (1 << SCALE) - 1
        code = owners[place]
        codes.append(code)
        state = table[code] * (state >> SCALE) + place - starts[code]
        while state < 1 << 23 and rest:
            state = state << PREFIX | rest.pop()
    return codes


def differing(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> float:
    """Share of the codes."""
    wrong = sum(int((a != b).sum()) for a, b in zip(one, other, strict=True))
    return wrong / sum(level.numel() for level in one)


@torch.no_grad()
def chunked(run: Path) -> dict[str, float]:
    """Codes that change where a long file is cut: by the computed field, and by a guess of OVERLAP cells."""
    tokenizer, sounds = of_run(run)
    sound = torch.cat(sounds, dim=2)[..., : 30 * RATE]
    (stride,), cells = tokenizer.encoder.stride, 50
    whole = tokenizer.encode(sound).levels
    exact = max(differing(whole, tokenizer.encode(sound, chunk=n * stride).levels) for n in (7, 50, 400))
    kept = []
    with exact_arithmetic(sound.device):
        for start in range(0, -(-sound.shape[2] // stride), cells):
            first = max(0, start - OVERLAP)
            piece = sound[..., first * stride : (start + cells + OVERLAP) * stride].contiguous()
            kept.append(tokenizer.encoder(piece, None)[..., start - first :][..., :cells])
        guessed = tokenizer.quantizer.encode(torch.cat(kept, dim=2))
    return {"chunks/exact": exact, "chunks/guessed": differing(whole, guessed)}


def streamed(tokenizer: Tokenizer, sounds: list[Tensor]) -> dict[str, float]:
    """Codes and samples of a stream that are not those of the whole."""
    sound, wrong, start = torch.cat(sounds, dim=2)[..., : 20 * RATE + 77], 0, 0
    stack = tokenizer.encode(sound)
    stream, pieces, samples = tokenizer.stream(), [], []
    while start < sound.shape[2]:
        extent = 1 + 7919 * (start + 1) % 30000
        pieces.append(stream.encode(sound[..., start : start + extent]))
        start += extent
    pieces.append(stream.flush())
    for number, piece in enumerate(pieces):
        samples.append(stream.decode(piece, last=number == len(pieces) - 1))
    for level, own in enumerate(stack.levels):
        wrong += int((torch.cat([piece.levels[level] for piece in pieces], dim=1) != own).sum())
    wrong += int((torch.cat(samples, dim=2) != tokenizer.decode(stack)).sum())
    return {"stream/differing": float(wrong)}


@torch.no_grad()
def timed(run: Path) -> dict[str, float]:
    """decode/realtime: seconds of sound that the decoder gives in a second of its processor; decode/parameters."""
    tokenizer, sounds = of_run(run)
    stack = tokenizer.encode(torch.cat(sounds, dim=2)[..., : 10 * RATE])
    spent = []
    for _ in range(4):
        start = time.process_time()
        tokenizer.decode(stack)
        spent.append(time.process_time() - start)
    size = sum(parameter.numel() for parameter in tokenizer.decoder.parameters())
    return {"decode/realtime": 10 / min(spent[1:]), "decode/parameters": float(size)}


def streamed_and_timed(run: Path) -> dict[str, float]:
    return streamed(*of_run(run)) | timed(run)


@torch.no_grad()
def in_half_precision(run: Path) -> dict[str, float]:
    """Share of the codes that change between a batch of one and of eight: bfloat16, float32, and exactly."""
    tokenizer, sounds = of_run(run)
    batch = torch.cat([sound[..., :RATE] for sound in sounds if sound.shape[2] >= RATE][:8])

    def codes(signal: Tensor, kind: torch.dtype) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
            latent = tokenizer.encoder(signal, None)
        return tokenizer.quantizer.encode(latent.float())

    found = {}
    for name, kind in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        alone = tuple(torch.cat(level) for level in zip(*(codes(item, kind) for item in batch.split(1)), strict=True))
        found[f"batch/{name}"] = differing(alone, codes(batch, kind))
        found[f"precision/{name}"] = differing(alone, tokenizer.encode(batch).levels)
    alone = tuple(
        torch.cat(level) for level in zip(*(tokenizer.encode(item).levels for item in batch.split(1)), strict=True)
    )
    return {**found, "batch/exact": differing(alone, tokenizer.encode(batch).levels)}
