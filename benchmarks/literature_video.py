"""The five claims about video tokenizers, each with the judge of its runs (literature_video_runs.py)."""

from literature import FAILS, HOLDS, IN_SIGN, Claim, Values, above, shown, worst
from literature_video_runs import DEFECTS, EXTRA, overrides

__all__ = ["CLAIMS", "DEFECTS", "EXTRA", "STEPS", "overrides"]

STEPS = 250
PSNR = "test/psnr"


def decibel(values: Values, *runs: str) -> str:
    return ", ".join(f"{shown(values[run][PSNR])} dB" for run in runs)


def claim_25(v: Values) -> tuple[str, str]:
    gaps = [a - b for a, b in zip(v["not_causal"][PSNR], v["causal"][PSNR], strict=True)]
    within = all(0.5 <= gap <= 1.5 for gap in gaps)
    found = HOLDS if within else IN_SIGN if min(gaps) > 0 else FAILS
    return f"not causal, causal: {decibel(v, 'not_causal', 'causal')}; gap {shown(gaps)} dB", found


def claim_26(v: Values) -> tuple[str, str]:
    bits = ", ".join(f"{shown(v[run]['test/bitrate'], 1, 1e-3)} kb/s" for run in ("causal", "frames"))
    return f"together, each by itself: {decibel(v, 'causal', 'frames')} at {bits}", above(
        v["causal"][PSNR], v["frames"][PSNR]
    )


def claim_27(v: Values) -> tuple[str, str]:
    other, own = (max(v["causal"][f"stream/{name}"]) for name in ("difference", "by_blocks"))
    return f"at most {other:.1e}, by its own blocks {own:.1e}", HOLDS if other < 1e-5 and own == 0 else FAILS


def claim_28(v: Values) -> tuple[str, str]:
    return f"a third of the steps on pictures, none: {decibel(v, 'inflated', 'causal')}", above(
        v["inflated"][PSNR], v["causal"][PSNR]
    )


def claim_29(v: Values) -> tuple[str, str]:
    runs = ("haar", "without_front")
    seconds = [v[run]["step/seconds"] for run in runs]
    lost = [b - a for a, b in zip(*(v[run][PSNR] for run in runs), strict=True)]
    found = worst(above(seconds[1], seconds[0]), HOLDS if max(lost) <= 0.2 else FAILS)
    return f"with, without: {', '.join(shown(column, 3) for column in seconds)} s a step; {decibel(v, *runs)}", found


CLAIMS = [
    Claim(
        "25",
        "a causal network is .5 to 1.5 dB below one that looks ahead",
        "VidTok",
        ("not_causal", "causal"),
        claim_25,
    ),
    Claim("26", "frames together beat each by itself at equal bits", "VidTok, MAGVIT", ("causal", "frames"), claim_26),
    Claim("27", "what is decoded piece by piece is the whole to 1e-5", "VidTok 1.1", ("causal",), claim_27),
    Claim("28", "pictures first: higher PSNR at equal steps", "MAGVIT, Open-MAGVIT2", ("inflated", "causal"), claim_28),
    Claim(
        "29", "a Haar transform in front: less time, at most .2 dB lost", "Cosmos", ("haar", "without_front"), claim_29
    ),
]
