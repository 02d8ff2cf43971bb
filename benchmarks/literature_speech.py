"""The claims F1 to F3 about tokens of speech, each with the judge of its runs (literature_speech_runs.py)."""

from literature import FAILS, HOLDS, Claim, Values, above, shown, worst
from literature_speech_runs import AFTER, DEFECTS, EXTRA, overrides

__all__ = ["AFTER", "CLAIMS", "DEFECTS", "EXTRA", "STEPS", "overrides"]

STEPS = 500
RATIO, BITS = "test/si_sdr", "test/bitrate"
CER, PER = "test/cer_english_prompts", "test/per_lexicon"
MOST_LOST = 1.0  # dB
SHARE = 0.1  # of the codec's bits


def claim_f1(v: Values) -> tuple[str, str]:
    runs = ("taught_split", "taught_residual", "untaught_split")
    phones = ", ".join(f"{shown(v[run]['phone_0'], 1, 100)} %" for run in runs)
    ratios = ", ".join(f"{shown(v[run][RATIO])} dB" for run in runs)
    told = [above(v[run]["phone_0"], v["untaught_split"]["phone_0"]) for run in runs[:2]]
    lost = [b - a for a, b in zip(v["taught_split"][RATIO], v["untaught_split"][RATIO], strict=True)]
    little = HOLDS if max(lost) < MOST_LOST else FAILS
    less = above(v["taught_split"][RATIO], v["taught_residual"][RATIO])
    return f"beside, in line, no teacher: phones by level 0 {phones}; SI-SDR {ratios}", worst(*told, little, less)


def claim_f2(v: Values) -> tuple[str, str]:
    shares = [a / b for a, b in zip(v["characters"][BITS], v["untaught_split"][BITS], strict=True)]
    kinds = {
        "CTC": ("characters", "word"),
        "k-means": ("units", "word"),
        "codec": ("untaught_split", "word"),
        "its level 0": ("untaught_split", "word_0"),
        "level 0 with a teacher": ("taught_split", "word_0"),
    }
    told = {kind: v[run][figure] for kind, (run, figure) in kinds.items()}
    rates = ", ".join(f"{shown(v[run][BITS], 0)}" for run in ("characters", "units", "untaught_split"))
    text = ", ".join(f"{kind} {shown(values, 3)}" for kind, values in told.items())
    found = [above(told["CTC"], told[kind]) for kind in ("k-means", "codec")]
    poor = [above(told[kind], told["its level 0"]) for kind in ("k-means", "level 0 with a teacher")]
    few = HOLDS if max(shares) <= SHARE else FAILS
    return f"words told: {text}; CTC, k-means, codec at {rates} bits/s", worst(*found, *poor, few)


def claim_f3(v: Values) -> tuple[str, str]:
    runs = {"phonemes": PER, "characters": CER, "subwords": CER}
    errors = {run: v[run][key] for run, key in runs.items()}
    tokens = {run: v[run]["tokens"] for run in runs}
    text = ", ".join(f"{shown(values, 1, 100)} %" for values in errors.values())
    rates = ", ".join(shown(values, 1) for values in tokens.values())
    order = [above(errors["characters"], errors["phonemes"]), above(errors["subwords"], errors["characters"])]
    fewest = [above(tokens[run], tokens["subwords"]) for run in ("phonemes", "characters")]
    return f"phonemes (PER), characters, BPE (CER): {text}; {rates} tokens/s", worst(*order, *fewest)


CLAIMS = [
    Claim(
        "F1",
        "distillation: level 0 tells more of the phones, SI-SDR falls by less than 1 dB, and less beside than in line",
        "Mimi, SpeechTokenizer",
        ("taught_split", "taught_residual", "untaught_split"),
        claim_f1,
    ),
    Claim(
        "F2",
        "CTC tokens tell words best, at a tenth of a codec's bits; a codec's first level is poor without a teacher",
        "DASB",
        ("characters", "units", "untaught_split", "taught_split"),
        claim_f2,
    ),
    Claim(
        "F3",
        "phonemes err least, then characters, then BPE, on little data; BPE has the fewest tokens",
        "ESPnet, NeMo",
        ("phonemes", "characters", "subwords"),
        claim_f3,
    ),
]
