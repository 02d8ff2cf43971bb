"""The plain script that the audio experiments are held against: one file, plain PyTorch, no Lightning.

    python benchmarks/plain_audio.py --seconds 240

STFT in, ConvNeXt blocks at 50 frames a second, residual codebooks of 8 x 1,024, inverse STFT out: 0.5 to 4 kb/s on the
prompts of data/speech, whole test files, at 1, 2, 4 and 8 levels; `--opus` prints Opus at its nearest rates instead.
The clock bounds the training alone; loading, evaluation and imports are not in it. Needs torch, numpy, PyAV, pystoi.
"""

import argparse
import hashlib
import io
import json
import math
import re
import time
import warnings
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from pystoi import stoi
from torch import Tensor, nn

SPEECH = Path(__file__).parent.parent / "data" / "speech"
RATE, HOP, WINDOW = 16000, 320, 1280
WIDTH, BLOCKS = 256, 4
LEVELS, CODES, CODE_DIM = 8, 1024, 8
EMA_DECAY = 0.98
BFLOAT16 = any(has for name, has in torch.cpu.get_capabilities().items() if name.endswith("bf16"))  # else slower
MEL_WINDOWS, MEL_BINS = (32, 64, 128, 256, 512, 1024, 2048), (5, 10, 20, 40, 80, 160, 320)


def load(split: str) -> list[Tensor]:
    """Waveforms [n]; split by the MD5 of the words without case and punctuation mod 10: 0 test, 1 val, else train."""
    sounds = []
    for line in (SPEECH / "transcripts.tsv").read_text(encoding="utf-8").splitlines():
        key, text = line.split("\t")
        words = " ".join(re.findall(r"[^\W_]+", text.casefold())) or text
        bucket = int(hashlib.md5(words.encode()).hexdigest(), 16) % 10
        if {0: "test", 1: "val"}.get(bucket, "train") == split:
            with av.open(str(SPEECH / key), format="g722") as file:
                samples = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
            sounds.append(torch.from_numpy(samples).float() / 32768)
    return sounds


class Block(nn.Module):
    """ConvNeXt (Liu et al. 2022) over time: depthwise 7, norm, 4-fold width, GELU, scaled residual."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(WIDTH, WIDTH, 7, padding=3, groups=WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.scale = nn.Parameter(torch.full((WIDTH,), 1 / BLOCKS))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).transpose(1, 2))
        return x + (self.scale * self.down(F.gelu(self.up(y)))).transpose(1, 2)


class Encoder(nn.Module):
    """[b, n] -> [b, WIDTH, frames]: magnitude to the power 0.3 with its phase, as real and imaginary part."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(WINDOW + 2, WIDTH, 1)
        self.body = nn.Sequential(*(Block() for _ in range(BLOCKS)), nn.Conv1d(WIDTH, WIDTH, 1))
        self.register_buffer("window", torch.hann_window(WINDOW))

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, ((WINDOW - HOP) // 2, (WINDOW - HOP) // 2 + -x.shape[1] % HOP))
        spectrum = torch.fft.rfft(x.unfold(1, WINDOW, HOP) * self.window)
        spectrum = spectrum * (spectrum.abs() + 1e-3) ** -0.7
        return self.body(self.stem(torch.cat([spectrum.real, spectrum.imag], 2).transpose(1, 2)))


class Decoder(nn.Module):
    """The way back: log magnitude and phase of each frame, overlapped and added."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(WIDTH, WIDTH, 3, padding=1), *(Block() for _ in range(BLOCKS)))
        self.head = nn.Conv1d(WIDTH, WINDOW + 2, 1)
        self.register_buffer("window", torch.hann_window(WINDOW))

    def forward(self, z: Tensor, length: int) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training and BFLOAT16):
            log_magnitude, phase = self.head(self.body(z)).float().chunk(2, 1)
        spectrum = torch.polar(log_magnitude.clamp(max=5).exp(), phase).transpose(1, 2)
        frames = torch.fft.irfft(spectrum, WINDOW) * self.window
        total = HOP * (frames.shape[1] - 1) + WINDOW
        added = [
            F.fold(v.transpose(1, 2), (1, total), (1, WINDOW), stride=(1, HOP))[:, 0, 0]
            for v in (frames, self.window.square().expand(1, frames.shape[1], -1))
        ]
        start = (WINDOW - HOP) // 2
        return (added[0] / added[1].clamp_min(1e-3))[:, start : start + length]


class Residual(nn.Module):
    """Residual codebooks (Zeghidour et al. 2021), each in a small space of its own (Kumar et al. 2023).

    The books are exponential moving averages; rare codes are replaced.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inward = nn.ModuleList(nn.Linear(WIDTH, CODE_DIM) for _ in range(LEVELS))
        self.outward = nn.ModuleList(nn.Linear(CODE_DIM, WIDTH) for _ in range(LEVELS))
        self.register_buffer("codes", torch.zeros(LEVELS, CODES, CODE_DIM))
        self.register_buffer("sums", torch.zeros(LEVELS, CODES, CODE_DIM))
        self.register_buffer("counts", torch.ones(LEVELS, CODES))
        self.steps = 0

    def forward(self, z: Tensor, levels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z [b, d, t]; levels [b]: how many each item uses. The sum of codes, indices [LEVELS, b * t], commitment."""
        b, d, t = z.shape
        rest = z.float().transpose(1, 2).reshape(-1, d)
        total, indices, losses = torch.zeros_like(rest), [], []
        used = levels.repeat_interleave(t)
        for level in range(LEVELS):
            rows = used > level
            flat = self.inward[level](rest)
            if self.training and self.steps == 0:
                self.codes[level] = flat.detach()[torch.randint(len(flat), (CODES,))]
                self.sums[level] = self.codes[level]
            book = self.codes[level].clone()
            index = (flat.detach() @ book.T - book.square().sum(1) / 2).argmax(1)
            found = book[index]
            losses.append(((flat - found).square().mean(1) * rows).sum() / rows.sum().clamp_min(1))
            out = self.outward[level](flat + (found - flat).detach()) * rows[:, None]
            if self.training:
                self.update(level, flat.detach()[rows], index[rows])
            total, rest = total + out, rest - out
            indices.append(index)
        self.steps += self.training
        return total.view(b, t, d).transpose(1, 2), torch.stack(indices), torch.stack(losses).mean()

    def update(self, level: int, rows: Tensor, index: Tensor) -> None:
        if not len(rows):
            return
        counts, sums, mean = self.counts[level], self.sums[level], len(rows) / CODES
        counts.mul_(EMA_DECAY).add_(torch.bincount(index, minlength=CODES), alpha=1 - EMA_DECAY)
        sums.mul_(EMA_DECAY).index_add_(0, index, rows, alpha=1 - EMA_DECAY)
        if self.steps % 10 == 9:
            dead = (counts < 0.1 * mean).nonzero()[:, 0]
            sums[dead] = rows[torch.randint(len(rows), (len(dead),))] * mean
            counts[dead] = mean
        self.codes[level] = sums / counts[:, None].clamp_min(1e-6)


def mel_filters(window: int, bins: int) -> Tensor:
    """Triangles of area one on Slaney's mel scale (linear to 1 kHz, then logarithmic), [bins, window // 2 + 1]."""
    to_mel = lambda f: f * 3 / 200 if f < 1000 else 15 + 27 * math.log(f / 1000) / math.log(6.4)  # noqa: E731
    mels = torch.linspace(0, to_mel(RATE / 2), bins + 2, dtype=torch.float64)
    edges = torch.where(mels < 15, mels * 200 / 3, 1000 * torch.exp((mels - 15) * math.log(6.4) / 27))[:, None]
    f = torch.linspace(0, RATE / 2, window // 2 + 1, dtype=torch.float64)
    rising, falling = (f - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - f) / (edges[2:] - edges[1:-1])
    return (torch.minimum(rising, falling).clamp_min(0) * 2 / (edges[2:] - edges[:-2])).float()


FILTERS = [mel_filters(window, bins) for window, bins in zip(MEL_WINDOWS, MEL_BINS, strict=True)]


def mel_distance(x: Tensor, y: Tensor) -> Tensor:
    """Sum over the windows of the mean |log10| difference of mel magnitudes, cut off below 1e-5."""
    total = x.new_zeros(())
    for window, filters in zip(MEL_WINDOWS, FILTERS, strict=True):
        shape = torch.hann_window(window)
        a, b = (
            torch.stft(v, window, window // 4, window=shape, pad_mode="constant", return_complex=True).abs()
            for v in (x, y)
        )
        total = total + ((filters @ a).clamp_min(1e-5).log10() - (filters @ b).clamp_min(1e-5).log10()).abs().mean()
    return total


def scores(pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Of originals and reconstructions [n]; STOI over the files with enough speech for it."""
    ratios, mels, stois = [], [], []
    for x, y in pairs:
        target = x * ((x @ y) / (x @ x))
        ratios.append(float(10 * torch.log10(target.square().sum() / (target - y).square().sum())))
        mels.append(float(mel_distance(x[None], y[None])))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            value = stoi(x.double().numpy(), y.double().numpy(), RATE)
        stois += [] if told else [value]
    return {
        "si_sdr": round(float(np.mean(ratios)), 2),
        "si_sdr_median": round(float(np.median(ratios)), 2),
        "mel": round(float(np.mean(mels)), 3),
        "stoi": round(float(np.mean(stois)), 3),
        "stoi_files": len(stois),
    }


def opus(x: Tensor, bits_a_second: int) -> tuple[Tensor, int]:
    """Coded and decoded by libopus through PyAV: the sound, aligned, and the bits of its packets."""
    file, bits = io.BytesIO(), 0
    with av.open(file, "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=RATE, layout="mono", format="s16", bit_rate=bits_a_second)
        stream.codec_context.options = {"application": "voip"}
        samples = (x.clamp(-1, 1) * 32767).round().to(torch.int16).numpy()[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            bits += 8 * packet.size
            out.mux(packet)
    file.seek(0)
    with av.open(file) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        decoded = np.concatenate([piece.to_ndarray()[0] for piece in (*pieces, *resampler.resample(None))])
    decoded = torch.from_numpy(decoded)[: len(x)]
    return F.pad(decoded, (0, len(x) - len(decoded))), bits


def print_opus(test: list[Tensor]) -> None:
    for asked in (500, 6000, 8000, 12000):
        coded = [opus(x, asked) for x in test]
        seconds = sum(map(len, test)) / RATE
        kilobits = sum(bits for _, bits in coded) / seconds / 1000
        found = scores([(x, y) for x, (y, _) in zip(test, coded, strict=True)])
        print(json.dumps({"codec": "opus", "asked": asked, "kilobits_a_second": round(kilobits, 2), **found}))


def train(arguments: argparse.Namespace) -> tuple[nn.ModuleDict, dict[str, float]]:
    sounds = [F.pad(x, (0, max(0, RATE - len(x)))) for x in load("train")]
    places = torch.tensor([len(x) for x in sounds]).double()
    model = nn.ModuleDict({"encoder": Encoder(), "codebooks": Residual(), "decoder": Decoder()}).train()
    parameters = list(model.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=1.0, betas=(0.8, 0.99), weight_decay=0.0)
    start, step = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < arguments.seconds:
        share = elapsed / arguments.seconds
        rate = arguments.learning_rate * min(1, (step + 1) / 50) * (0.02 + 0.98 * (1 + math.cos(math.pi * share)) / 2)
        optimizer.param_groups[0]["lr"] = rate
        chosen = [sounds[n] for n in torch.multinomial(places, arguments.batch, replacement=True).tolist()]
        starts = [int(torch.randint(len(x) - RATE + 1, ())) for x in chosen]
        x = torch.stack([x[n : n + RATE] for x, n in zip(chosen, starts, strict=True)])
        levels = torch.full((arguments.batch,), LEVELS)
        half = arguments.batch // 2
        levels[:half] = torch.randint(1, LEVELS + 1, (half,))
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            z = model["encoder"](x)
        z_q, _, commitment = model["codebooks"](z, levels)
        y = model["decoder"](z_q, RATE)
        loss = mel_distance(x, y) + arguments.waveform * (x - y).abs().mean() + 0.1 * commitment
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - min(0.999, (step + 1) / (step + 10)))
        step += 1
    seconds = time.perf_counter() - start
    for parameter, mean in zip(parameters, average, strict=True):
        parameter.data.copy_(mean)
    about = {"seconds": round(seconds, 1), "steps": step, "milliseconds_per_step": round(1000 * seconds / step, 1)}
    return model.eval(), {**about, "parameters": sum(p.numel() for p in parameters)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240, help="seconds of training")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--waveform", type=float, default=10.0, help="weight of the absolute error beside the mel one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--opus", action="store_true", help="train nothing; print Opus on the same files")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    test = load("test")
    if arguments.opus:
        print_opus(test)
        return
    model, about = train(arguments)
    print(json.dumps(about))
    with torch.no_grad():
        for count in (1, 2, 4, 8):
            pairs, hits = [], torch.zeros(LEVELS, CODES, dtype=torch.long)
            for x in test:
                z_q, indices, _ = model["codebooks"](model["encoder"](x[None]), torch.tensor([count]))
                pairs.append((x, model["decoder"](z_q, len(x))[0]))
                hits += torch.stack([torch.bincount(row, minlength=CODES) for row in indices])
            row = {"levels": count, "kilobits_a_second": RATE / HOP * 10 * count / 1000, **scores(pairs)}
            if count == LEVELS:
                row["usage"] = [round(float((level > 0).double().mean()), 3) for level in hits]
            print(json.dumps(row))


if __name__ == "__main__":
    main()
