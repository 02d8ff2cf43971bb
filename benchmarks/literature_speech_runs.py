"""The runs behind the claims about tokens of speech, and what their codes tell.

Recognizers by CTC of 128 channels and five blocks, at 50 cells a second, on whole prompts of data/speech in batches of
10 s, with FOLD times the steps: after as many as the others they say only blanks. Codecs with a semantic level and
seven acoustic ones, small spectral networks at 50 frames a second. Their teacher, and the layer whose k-means are the
units, is the recognizer of characters of the same seed, which is run first. The probe of phones needs festvox-ru, once:

    python data/fetch/sounds.py UNPACKED data/downloads/festvox_ru
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from speech_tokens import heard, told
from torch import Tensor

from signaltok.tokenizer import Tokenizer
from signaltok.training.config.build import build
from signaltok.training.start import read_tokenizer
from signaltok.types.token_stack import TokenStack

ROOT = Path(__file__).parents[1]
PHONE_FOLDER = ROOT / "data" / "downloads" / "festvox_ru"
FILES = 60  # with phones
FOLD = 3
LONGEST = 3  # codes in a row that the probe of words counts
PENALTY = 0.1
BASE = (
    "task_name=literature", "trainer=cpu", "run.report=false", "run.checkpoint=last", "callbacks.progress_bar=null",
    "callbacks.best_checkpoint=null", "callbacks.interruption=null", "callbacks.collapse=null",
    "data.batch_seconds=10.0", "data.speeds=[1.0]", f"paths.root_dir={ROOT}",
)  # fmt: skip
TEACHER = "${paths.log_dir}/../characters/${seed}"  # of the same seed
CTC = ("encoder.width=128", "encoder.trunk.depth=5", "encoder.trunk.strides=[2,1]", "decoder.stride=320")
NETWORKS = ("encoder.width=128", "encoder.inner=256", "encoder.depth=2", "decoder.depth=3")
TAUGHT = (
    f"objective.terms.tower.path={TEACHER}", "objective.terms.tower.encoder.width=128",
    "objective.terms.tower.encoder.trunk.depth=5", "objective.terms.distill.teacher.layer.trunk.depth=4",
    "objective.terms.distill.width=128",
)  # fmt: skip
RUNS: dict[str, tuple[str, ...]] = {
    "characters": ("experiment=speech_characters", *CTC),
    "phonemes": ("experiment=speech_phonemes", *CTC),
    "subwords": ("experiment=speech_subwords", *CTC),
    "units": (
        "experiment=speech_units", "encoder.latent_dim=128", "encoder.trunk.depth=4", "encoder.trunk.strides=[2,1]",
        "objective.terms.tower.encoder.trunk.depth=5", "objective.terms.tower.encoder.trunk.strides=[2,1]",
        f"objective.terms.tower.path={TEACHER}", "decoder.stride=320",
    ),
    "taught_split": ("experiment=speech_split", *NETWORKS, *TAUGHT),
    "taught_residual": ("experiment=speech_split", *NETWORKS, *TAUGHT, "quantizer.residual=true"),
    "untaught_split": ("experiment=speech_split", "objective=multi_scale_mel", *NETWORKS),
}  # fmt: skip
# Runs that look at another one of the same seed, which has to be complete.
AFTER = dict.fromkeys(("units", "taught_split", "taught_residual"), "characters")
EXTRA = dict.fromkeys(RUNS, "literature_speech_runs:what_codes_tell")
DEFECTS: dict[str, str] = {}


def overrides(name: str, steps: int) -> list[str]:
    """The overrides of a run; of recognizers FOLD times so many steps."""
    if name in ("characters", "phonemes", "subwords"):
        steps *= FOLD
    own = [f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps}", "trainer.log_every_n_steps=50"]
    return [RUNS[name][0], *BASE, *RUNS[name][1:], *own]


def what_codes_tell(run: Path) -> dict[str, float]:
    """Figures of a complete run's codes, by level and of all levels together.

    phone_<level>: of held-out moments of festvox-ru, as benchmarks/speech_tokens.py has it. word_<level>, word: see
    words_told, of data/speech, fitted to train and measured on val and test. tokens: of all levels, a second.
    """
    tokenizer = read_tokenizer(run, "last").eval()
    return phones_told(tokenizer, PHONE_FOLDER) | words_of_prompts(tokenizer, run)


def phones_told(tokenizer: Tokenizer, folder: Path) -> dict[str, float]:
    """phone_<level>: the share of the moments of every second file whose phone is their code's commonest one."""
    if not folder.is_dir():
        raise ValueError(f"there is no {folder}; data/fetch/sounds.py lays festvox-ru out, see the head of this file")
    known, sizes = heard(tokenizer, folder, FILES), tokenizer.quantizer.codebook_sizes
    return {
        f"phone_{level}": told(known.phone, codes, known.held_out, known.labels, size)
        for level, (codes, size) in enumerate(zip(known.codes, sizes, strict=True))
    }


def words_of_prompts(tokenizer: Tokenizer, run: Path) -> dict[str, float]:
    """word_<level>, word and tokens of what_codes_tell."""
    from omegaconf import OmegaConf

    data = build(OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))["data"])  # type: ignore[index,call-overload]
    items, texts, held_out, seconds = [], [], [], 0.0
    for split in ("train", "val", "test"):
        utterances = data.eval_set(split)
        for number in range(len(utterances)):
            item = utterances[number]
            with torch.no_grad():
                items.append(tokenizer.encode(item.signal[None]))
            texts.append(set(item.text.split()))
            held_out.append(split != "train")
            seconds += item.signal.shape[-1] / data.sample_rate
    kernels = [alike([said_in(stack, level) for stack in items]) for level in range(len(items[0].levels))]
    apart = torch.tensor(held_out)
    figures = {f"word_{level}": words_told(kernel, texts, apart) for level, kernel in enumerate(kernels)}
    tokens = sum(stack.levels[level].numel() for stack in items for level in range(len(kernels)))
    return figures | {"word": words_told(sum(kernels), texts, apart), "tokens": tokens / seconds}  # type: ignore[arg-type]


def said_in(stack: TokenStack, level: int) -> list[int]:
    """The codes of one item's level, neighbours that are equal once."""
    codes = stack.levels[level][0].tolist()
    return codes[:1] + [after for before, after in pairwise(codes) if after != before]


def alike(sequences: Sequence[Sequence[int]]) -> Tensor:
    """How much any two sequences have in common: cosines of their counts of n codes in a row, the sum for n to LONGEST.

    The spectrum kernel of Leslie, Eskin and Noble 2002.
    """
    total = torch.zeros(len(sequences), len(sequences), dtype=torch.float64)
    for length in range(1, LONGEST + 1):
        counted = [Counter(tuple(own[at : at + length]) for at in range(len(own) - length + 1)) for own in sequences]
        among = Counter(piece for counts in counted for piece in counts)
        places = {piece: at for at, piece in enumerate(piece for piece, number in among.items() if number > 1)}
        shares = torch.zeros(len(sequences), len(places), dtype=torch.float64)
        for counts, row in zip(counted, shares, strict=True):
            shared = [piece for piece in counts if piece in places]
            norm = math.sqrt(sum(count**2 for count in counts.values()))
            at = torch.tensor([places[piece] for piece in shared], dtype=torch.int64)
            row[at] = torch.tensor([counts[piece] / norm for piece in shared], dtype=torch.float64)
        common = shares @ shares.T
        common.diagonal().copy_(torch.tensor([float(bool(counts)) for counts in counted]))  # pieces of its own too
        total += common
    return total


def words_told(kernel: Tensor, texts: Sequence[set[str]], held_out: Tensor) -> float:
    """Whether a file has a word, told by how much its codes have in common with those of other files.

    Ridge regression with the kernel on the files that are not held out; of each word that ten of them and three of the
    held-out ones have, the share of pairs of a held-out file with it and one without that are in the right order (ties
    half); the mean over the words. Chance is .5. Raises ValueError where there is no such word.
    """
    fitted = ~held_out
    gram = kernel[fitted][:, fitted]
    gram = gram + PENALTY * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    words = sorted(set().union(*texts))
    has = torch.tensor([[word in text for word in words] for text in texts])
    with_it, among = has[held_out].sum(0), int(held_out.sum())
    kept = (has[fitted].sum(0) >= 10) & (with_it >= 3) & (with_it <= among - 3)
    if not kept.any():
        raise ValueError(f"of {len(words)} words none is in ten files of train and in three that are held out")
    target = has[fitted][:, kept].double()
    weights = torch.linalg.solve(gram, target - target.mean(0))
    scores, truth = kernel[held_out][:, fitted] @ weights, has[held_out][:, kept]
    found = []
    for score, label in zip(scores.T, truth.T, strict=True):
        gaps = score[label][:, None] - score[~label]
        found.append(float(((gaps > 0).double() + 0.5 * (gaps == 0).double()).mean()))
    return sum(found) / len(found)
