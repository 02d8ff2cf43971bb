"""What every kind of token tells of the sounds of speech and of the voice: one table, a row a level.

    python data/fetch/sounds.py UNPACKED data/downloads/festvox_ru        # festvox-ru, with phones.tsv
    python data/fetch/speech.py UNPACKED data/downloads/speech_fr --language fr     # and it, ru: other voices
    python benchmarks/speech_tokens.py units=RUN split=RUN --phones data/downloads/festvox_ru --voices FOLDER FOLDER ...

A RUN is a run's folder or an exported tokenizer. Moments are STEP seconds apart, and the code of a moment is that of
its cell; of tokens of variable length, of the token nearest in time.
phone: the share of the moments whose phone is the commonest one of their code, found in one half of the files and
measured in the other. PNMI and phone purity: of all moments (metrics.units), with shuffled codes in brackets.
voice: which folder a file is from, by ridge regression on the shares of its codes, one half of the files on the other;
a folder is a speaker with his language and his recording, which this cannot tell apart.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from signaltok.artifact.trained import read_trained
from signaltok.data.audio_file import SUFFIXES
from signaltok.data.found_files import find_files
from signaltok.data.phones import PHONES, phones_at, read_phones
from signaltok.data.read_audio import read_audio
from signaltok.metrics.codes import entropy_bits
from signaltok.metrics.ridge import accuracy, fit
from signaltok.metrics.units import joint_counts, shuffled, unit_quality
from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import TokenStack

STEP = 0.02
PENALTY = 1e-3
HEADS = ("tokens", "level", "tokens/s", "bits/s", "phone %", "phone purity", "PNMI", "voice %")


def spread(keys: Sequence[str], count: int) -> list[str]:
    """So many of the keys, evenly spread over their order."""
    if len(keys) <= count:
        return list(keys)
    return [keys[number * len(keys) // count] for number in range(count)]


def codes_at(stack: TokenStack, level: int, moments: Tensor, rate: int) -> Tensor:
    """The code of one item's level at moments, in seconds; of a level without any token 0 throughout."""
    codes, places = stack.levels[level][0], moments * rate
    spans = None if stack.spans is None else stack.spans[level]
    if spans is None:
        cells = (places / stack.strides[level][0]).long()
        return codes[cells.clamp(max=len(codes) - 1)]
    if not len(codes):
        return torch.zeros(len(moments), dtype=torch.int64)
    start, end = spans[0].double().unbind(-1)
    away = torch.maximum(start - places[:, None], places[:, None] - end).clamp(min=0)
    return codes[away.argmin(1)]


def told(phones: Tensor, codes: Tensor, held_out: Tensor, num_phones: int, num_codes: int) -> float:
    """Share of the held-out moments whose phone is their code's commonest among the others."""
    counts = joint_counts(phones[~held_out], codes[~held_out], num_phones, num_codes)
    guess = counts.argmax(0)
    guess[counts.sum(0) == 0] = int(counts.sum(1).argmax())  # a code not seen there: the commonest of all
    return float((guess[codes[held_out]] == phones[held_out]).double().mean())


def voice_told(bags: Tensor, voices: Tensor) -> float:
    """Accuracy on every second item of each voice of a map fitted to the others."""
    held_out = torch.arange(len(voices)) % 2 == 1
    fitted = fit(bags[~held_out], voices[~held_out], int(voices.max()) + 1, PENALTY)
    return accuracy(fitted, bags[held_out], voices[held_out])


def encoded(tokenizer: Tokenizer, path: Path) -> TokenStack:
    assert tokenizer.sample_rate is not None
    with torch.no_grad():
        return tokenizer.encode(read_audio(path, tokenizer.sample_rate, tokenizer.encoder.channels)[None])


@dataclass(frozen=True)
class Heard:
    """Moments of labelled files: phone [n], whether its file is held out [n], codes [n] of each level; labels: phones.

    stacks: of the files, in their order.
    """

    phone: Tensor
    held_out: Tensor
    codes: list[Tensor]
    labels: int
    stacks: list[TokenStack]


def heard(tokenizer: Tokenizer, folder: Path, files: int) -> Heard:
    """What a tokenizer makes of so many files of a folder with phones.tsv; every second one is held out."""
    assert tokenizer.sample_rate is not None
    spoken, labels, at, halves, stacks = read_phones(folder / PHONES), {}, [], [], []
    said: list[list[Tensor]] = [[] for _ in tokenizer.quantizer.codebook_sizes]
    for number, key in enumerate(spread(sorted(spoken), files)):
        stacks.append(stack := encoded(tokenizer, folder / key))
        moments = torch.arange(STEP / 2, spoken[key][-1].end, STEP, dtype=torch.float64)
        found = phones_at(spoken[key], moments.tolist())
        known = torch.tensor([label is not None for label in found])
        at.append(torch.tensor([labels.setdefault(label, len(labels)) for label in found if label is not None]))
        halves.append(torch.full((len(at[-1]),), number % 2 == 1))
        for level, codes in enumerate(said):
            codes.append(codes_at(stack, level, moments[known], tokenizer.sample_rate))
    return Heard(
        phone=torch.cat(at),
        held_out=torch.cat(halves),
        codes=[torch.cat(codes) for codes in said],
        labels=len(labels),
        stacks=stacks,
    )


def rows_of(
    name: str, tokenizer: Tokenizer, phones: Path, voices: list[Path], files: int, each: int
) -> list[list[str]]:
    """A row of the table for each level."""
    if tokenizer.sample_rate is None:
        raise SystemExit(f"{name} is no tokenizer of sounds")
    rate, sizes = tokenizer.sample_rate, tokenizer.quantizer.codebook_sizes
    known = heard(tokenizer, phones, files)
    seconds = sum(stack.signal_size[0] for stack in known.stacks) / rate
    bags, of_voice = [[] for _ in sizes], []
    for voice, folder in enumerate(voices):
        for key in spread(sorted(find_files(folder, SUFFIXES)), each):
            stack = encoded(tokenizer, folder / key)
            of_voice.append(voice)
            for level, size in enumerate(sizes):
                bag = torch.bincount(stack.levels[level].flatten(), minlength=size).double()
                bags[level].append(bag / bag.sum().clamp_min(1))
    phone, held_out, rows = known.phone, known.held_out, []
    for level, (size, codes) in enumerate(zip(sizes, known.codes, strict=True)):
        quality = unit_quality(joint_counts(phone, codes, known.labels, size))
        chance = shuffled(phone, codes, known.labels, size, seed=0)
        count = torch.bincount(torch.cat([stack.levels[level].flatten() for stack in known.stacks]), minlength=size)
        per_second = int(count.sum()) / seconds
        used = per_second * entropy_bits(count)
        rows.append(
            [
                name, str(level), f"{per_second:.1f}", f"{per_second * math.log2(size):.0f} / {used:.0f}",
                f"{100 * told(phone, codes, held_out, known.labels, size):.1f}",
                f"{quality.phone_purity:.3f} ({chance.phone_purity:.3f})", f"{quality.pnmi:.3f} ({chance.pnmi:.3f})",
                f"{100 * voice_told(torch.stack(bags[level]), torch.tensor(of_voice)):.1f}" if voices else "–",
            ]
        )  # fmt: skip
    commonest = F.one_hot(phone[~held_out]).sum(0).argmax()
    share = float((phone[held_out] == commonest).double().mean())
    measured = f"{len(known.stacks)} files, {len(phone):,} moments, {known.labels} phones"
    print(f"{name}: {measured}, commonest {100 * share:.1f} %")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizers", nargs="+", help="NAME=RUN, a run's folder or an exported tokenizer")
    parser.add_argument("--phones", type=Path, required=True, help=f"a folder of sounds with {PHONES}")
    parser.add_argument("--voices", type=Path, nargs="*", default=[], help="folders of sounds, one a voice")
    parser.add_argument("--files", type=int, default=60, help="files with phones")
    parser.add_argument("--each", type=int, default=40, help="files of each voice")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for word in arguments.tokenizers:
        name, _, run = word.partition("=")
        tokenizer = read_trained(Path(run), "last")
        if not run or not isinstance(tokenizer, Tokenizer):
            parser.error(f"{word} is not NAME=RUN of a tokenizer")
        rows += rows_of(name, tokenizer.eval(), arguments.phones, arguments.voices, arguments.files, arguments.each)
    for row in (HEADS, ["---"] * len(HEADS), *rows):
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
