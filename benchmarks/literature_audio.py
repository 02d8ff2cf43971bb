"""The claims A1 to G4 about audio tokenizers, each with the judge of its runs (literature_audio_runs.py).

E3 is left out: without spectral losses a run takes longer than this table as a whole.
"""

from literature import FAILS, HOLDS, Claim, Values, above, at_least, rising, shown, worst
from literature_audio_runs import DEFECTS, DIM, EXTRA, overrides

__all__ = ["CLAIMS", "DEFECTS", "EXTRA", "STEPS", "overrides"]

STEPS = 500
RATIO, MEL, STFT = "test/si_sdr", "test/log_mel_dac", "test/stft_512to2048"
BOOKS = ("simvq_speech_4096", "factorised_4096", "fsq_4096")


def decibel(v: Values, *runs: str) -> str:
    return ", ".join(shown(v[run][RATIO]) for run in runs) + " dB"


def mel(v: Values, *runs: str) -> str:
    return "mel " + ", ".join(shown(v[run][MEL], 3) for run in runs)


def usage(v: Values, *runs: str) -> str:
    return ", ".join(shown(v[run]["test/usage"], 1, 100) for run in runs) + " %"


def minus(one: list[float], other: list[float]) -> list[float]:
    return [a - b for a, b in zip(one, other, strict=True)]


def within(one: list[float], other: list[float], most: float) -> str:
    """The verdict on a gap that no seed passes, in either direction."""
    return HOLDS if max(abs(gap) for gap in minus(one, other)) <= most else FAILS


def prefixes(v: Values, run: str, figure: str, levels: tuple[int, ...]) -> list[list[float]]:
    return [v[run][f"test/{figure}_of_{n}_levels"] for n in levels]


def a1(v: Values) -> tuple[str, str]:
    runs = ("rvq_1", "rvq_2", "rvq_4", "rvq_8")
    columns = [v[run][RATIO] for run in runs]
    first, last = (minus(columns[n + 1], columns[n]) for n in (0, 2))
    # From 1 to 2 levels it is the gain of one, from 4 to 8 that of four.
    found = worst(
        rising(*columns),
        *(rising(*(v[run][figure] for run in reversed(runs))) for figure in (MEL, STFT)),
        above(first, [gain / 4 for gain in last]),
    )
    return f"1, 2, 4, 8 levels: {decibel(v, *runs)}; {mel(v, *runs)}", found


def a2(v: Values) -> tuple[str, str]:
    levels = (1, 2, 4)
    dropped, fixed = (prefixes(v, run, "si_sdr", levels) for run in ("rvq_8_dropout_0.5", "rvq_8"))
    own = [v[f"rvq_{n}"][RATIO] for n in levels]
    text = "; ".join(", ".join(shown(column) for column in columns) for columns in (dropped, fixed, own))
    found = [above(one, other) for one, other in zip(dropped, fixed, strict=True)]
    near = [HOLDS if min(minus(one, other)) >= -1 else FAILS for one, other in zip(dropped, own, strict=True)]
    return f"1, 2, 4 of 8 levels, with, without, models of their own: {text} dB", worst(*found, *near)


def a3(v: Values) -> tuple[str, str]:
    half, whole = (minus(v[f"rvq_8_dropout_{share}"][RATIO], v["rvq_8"][RATIO]) for share in ("0.5", "1"))
    found = worst(above([0.0] * len(whole), whole), above(half, whole))
    return f"all 8 levels, p .5 and 1 against 0: {shown(half)}, {shown(whole)} dB", found


def a4(v: Values) -> tuple[str, str]:
    with_, without = (v[run]["test/perplexity_0"] for run in ("rvq_8_dropout_0.5", "rvq_8"))
    columns = prefixes(v, "rvq_8_dropout_0.5", "si_sdr", (1, 2, 7, 8))
    found = worst(above(with_, without), above(minus(columns[1], columns[0]), minus(columns[3], columns[2])))
    return f"perplexity of level 1 with and without: {shown(with_, 1)}, {shown(without, 1)}", found


def b1(v: Values) -> tuple[str, str]:
    small = worst(*(at_least(v[run]["test/usage"], 0.9) for run in ("factorised_256", "ema_256")))
    large = worst(*(above(v[run]["test/usage"], v["ema_4096"]["test/usage"]) for run in BOOKS))
    runs = ("factorised_256", "ema_256")
    text = f"K 256 factorised, averages: {usage(v, *runs)}; K 4,096 averages, SimVQ, factorised, FSQ: "
    return text + usage(v, "ema_4096", *BOOKS), worst(small, large)


def b2(v: Values) -> tuple[str, str]:
    runs = [f"factorised_4_dim_{dim}" for dim in (2, 8, 32, DIM)]
    low, eight, middle, high = (v[run][RATIO] for run in runs)
    best = [max(pair) for pair in zip(eight, middle, strict=True)]
    text = ", ".join(shown(share(v, run), 1, 100) for run in runs)
    found = worst(above(best, low), above(best, high), above(share(v, runs[1]), share(v, runs[3])))
    return f"D 2, 8, 32, {DIM}: {decibel(v, *runs)}; efficiency {text} %", found


def share(v: Values, run: str) -> list[float]:
    """Effective against nominal bitrate."""
    return [a / b for a, b in zip(v[run]["test/effective_bitrate"], v[run]["test/bitrate"], strict=True)]


def b3(v: Values) -> tuple[str, str]:
    used = [v[f"simvq_speech_{size}"][MEL] for size in (4096, 1024, 256)]
    lost = [v[f"ema_{size}"][MEL] for size in (4096, 1024)]
    found = worst(rising(*used), above(minus(used[1], used[0]), minus(lost[1], lost[0])))
    runs = [f"{family}_{size}" for family in ("simvq_speech", "ema") for size in (256, 1024, 4096)]
    return f"K 256, 1,024, 4,096, SimVQ then averages: {mel(v, *runs)}; {usage(v, *runs)}", found


def b4(v: Values) -> tuple[str, str]:
    bad = ["ema_1024_uniform" + rule for rule in ("", "_undone", "_absolute", "_relative")]
    good = ["ema_1024", "ema_1024_absolute", "ema_1024_relative"]
    used = [v[run]["test/usage"] for run in bad]
    found = worst(
        above(used[2], used[1]),
        above(used[3], used[1]),
        above(v[good[1]]["train/commitment"], v[good[0]]["train/commitment"]),
        above(v[good[1]]["train/commitment"], v[good[2]]["train/commitment"]),
    )
    errors = ", ".join(shown(v[run]["train/commitment"], 4) for run in good)
    text = f"uniform start; none, undone, absolute, relative: {usage(v, *bad)}; "
    return f"{text}k-means start; none, absolute, relative: error {errors}", found


def b5(v: Values) -> tuple[str, str]:
    def gap(rule: str, figure: str) -> list[float]:
        return minus(v["ema_1024_uniform" + rule][figure], v["ema_1024" + rule][figure])

    early, end = gap("_relative", "early/log_mel_dac"), gap("_relative", MEL)
    without = gap("", MEL)
    zero = [0.0] * len(end)
    found = worst(above(early, zero), above(early, end), above(without, end))
    text = f"mel gap at half and end with revival: {shown(early, 3)}, {shown(end, 3)}"
    return f"{text}; at the end without: {shown(without, 3)}", found


def b6(v: Values) -> tuple[str, str]:
    runs = ("rvq_4", "rvq_4_zero_gradient", "rvq_4_many_paths")
    rest = [v[run]["test/left"] for run in runs]
    found = worst(*(above(v[runs[0]][RATIO], v[run][RATIO]) for run in runs[1:]), above(rest[1], rest[0]))
    text = ", ".join(shown(column, 1, 100) for column in rest)
    return f"one, zero, many paths: {decibel(v, *runs)}; left of the latent {text} %", found


def b7(v: Values) -> tuple[str, str]:
    large, small = ("rvq_4", "group_rvq_2_of_2", "group_fsq_4"), ("rvq_2", "group_fsq_2", "fsq_65536")
    found = worst(
        within(v["rvq_4"][RATIO], v["group_fsq_4"][RATIO], 1.0),
        at_least(v["group_fsq_4"]["test/usage"], 0.99),
        above(v["rvq_2"][RATIO], v["group_fsq_2"][RATIO]),
    )
    text = f"32 bits, RVQ, grouped RVQ, grouped FSQ: {decibel(v, *large)}; 16 bits, RVQ, grouped FSQ, FSQ: "
    return f"{text}{decibel(v, *small)}; usage of grouped FSQ {usage(v, 'group_fsq_4')}", found


def b8(v: Values) -> tuple[str, str]:
    runs = ("rvq_4", "rvq_32_of_2")
    return f"4 x 256, 32 x 2: {decibel(v, *runs)}; {mel(v, *runs)}", above(v[runs[1]][MEL], v[runs[0]][MEL])


def c1(v: Values) -> tuple[str, str]:
    runs = ("multiscale_3", "rvq_2_of_128")
    found = within(v[runs[0]][MEL], v[runs[1]][MEL], 0.05 * min(v[runs[1]][MEL]))
    return f"8 bits at 1/4, 1/2, 1 of the rate; 7 + 7 bits: {mel(v, *runs)}; {decibel(v, *runs)}", found


def c2(v: Values) -> tuple[str, str]:
    runs = ("multiscale_3", "parallel_3")
    alone = [v[run]["test/si_sdr_of_1_levels"] for run in runs]
    found = worst(above(v[runs[0]][RATIO], v[runs[1]][RATIO]), above(alone[1], alone[0]))
    text = ", ".join(shown(column) for column in alone)
    return f"cascade, separate: {decibel(v, *runs)}; the coarsest alone {text} dB", found


def c3(v: Values) -> tuple[str, str]:
    one, three = (v["multiscale_3"][f"test/stoi_of_{n}_levels"] for n in (1, 3))
    found = worst(above(three, one), HOLDS if max(one) < 0.6 else FAILS)
    return f"STOI of the coarsest level (12.5 Hz), of all: {shown(one, 3)}, {shown(three, 3)}", found


def d1(v: Values) -> tuple[str, str]:
    runs = ("codec_snake", "codec_elu")
    return f"Snake, ELU: {decibel(v, *runs)}; {mel(v, *runs)}", above(v[runs[0]][RATIO], v[runs[1]][RATIO])


def d2(v: Values) -> tuple[str, str]:
    runs = ("codec_lstm", "codec_elu")
    return f"with, without: {decibel(v, *runs)}; {mel(v, *runs)}", above(v[runs[0]][RATIO], v[runs[1]][RATIO])


def d3(v: Values) -> tuple[str, str]:
    runs = ("codec_inverse_stft", "codec_elu")
    fast, slow = (v[run]["decode/realtime"] for run in runs)
    ratio = [a / b for a, b in zip(fast, slow, strict=True)]
    found = worst(within(v[runs[0]][MEL], v[runs[1]][MEL], 0.1 * min(v[runs[1]][MEL])), at_least(ratio, 5.0))
    return f"head, convolutions: {mel(v, *runs)}; decoded {shown(ratio, 1)} times as fast", found


def d4(v: Values) -> tuple[str, str]:
    runs = ("codec_same", "codec_elu")
    return f"both sides, causal: {decibel(v, *runs)}", above(v[runs[0]][RATIO], v[runs[1]][RATIO])


def d5(v: Values) -> tuple[str, str]:
    runs = ("codec_wide_decoder", "codec_wide_encoder")
    return f"8 and 16, 16 and 8 channels: {decibel(v, *runs)}; {mel(v, *runs)}", above(v[runs[1]][MEL], v[runs[0]][MEL])


def e1(v: Values) -> tuple[str, str]:
    runs = several, one, plain = ("rvq_4", "rvq_4_one_mel", "rvq_4_absolute_error")
    found = worst(
        *(above(v[plain][RATIO], v[run][RATIO]) for run in (several, one)),
        rising(*(v[run][MEL] for run in (several, one, plain))),
    )
    return f"seven windows, one, the absolute error alone: {decibel(v, *runs)}; {mel(v, *runs)}", found


def e2(v: Values) -> tuple[str, str]:
    runs = ("rvq_4_adversarial", "rvq_4")
    found = worst(above(v[runs[1]][RATIO], v[runs[0]][RATIO]), above(v[runs[0]][MEL], v[runs[1]][MEL]))
    return f"with, without: {decibel(v, *runs)}; {mel(v, *runs)}", found


def e4(v: Values) -> tuple[str, str]:
    fixed = ("rvq_4_mel_0.1", "rvq_4", "rvq_4_mel_10")
    weighed = ("rvq_4_balanced_0.1", "rvq_4_balanced_1", "rvq_4_balanced_10")

    def spread(runs: tuple[str, ...]) -> list[float]:
        return [max(values) - min(values) for values in zip(*(v[run][MEL] for run in runs), strict=True)]

    text = f"mel weight x .1, 1, 10, fixed: {mel(v, *fixed)}; balanced: {mel(v, *weighed)}"
    return text, above(spread(fixed), spread(weighed))


def g1(v: Values) -> tuple[str, str]:
    figures = {name: v["rvq_4"][f"bits/{name}"] for name in ("nominal", "entropy", "coded", "adaptive", "context")}
    saved = [1 - a / b for a, b in zip(figures["context"], figures["adaptive"], strict=True)]
    coding = [a / b for a, b in zip(figures["coded"], figures["entropy"], strict=True)]
    found = worst(
        above(figures["nominal"], figures["entropy"]), HOLDS if max(coding) <= 1.01 else FAILS, at_least(saved, 0.05)
    )
    text = ", ".join(shown(figures[name]) for name in ("nominal", "entropy", "coded"))
    return f"bits a code nominal, entropy, coded: {text}; the frame before saves {shown(saved, 1, 100)} %", found


def g2(v: Values) -> tuple[str, str]:
    exact, guessed = (v["codec_same"][f"chunks/{name}"] for name in ("exact", "guessed"))
    found = worst(HOLDS if max(exact) == 0 else FAILS, HOLDS if min(guessed) > 0 else FAILS)
    return f"codes that change, exact, a cell guessed: {shown(exact, 2, 100)}, {shown(guessed, 2, 100)} %", found


def g3(v: Values) -> tuple[str, str]:
    wrong = v["codec_elu"]["stream/differing"]
    return f"codes and samples that differ: {shown(wrong, 0)}", HOLDS if max(wrong) == 0 else FAILS


def g4(v: Values) -> tuple[str, str]:
    half, full, exact = (v["rvq_2"][f"batch/{name}"] for name in ("bfloat16", "float32", "exact"))
    found = worst(above(half, full), HOLDS if max(exact) == 0 else FAILS)
    text = ", ".join(shown(column, 2, 100) for column in (half, full, exact))
    return f"codes that change from a batch of 1 to 8, bfloat16, float32, encode: {text} %", found


BAD = tuple(f"ema_1024_uniform{rule}" for rule in ("", "_undone", "_absolute", "_relative"))
CLAIMS = [
    Claim("A1", "more residual levels: better, less and less", "DAC", ("rvq_1", "rvq_2", "rvq_4", "rvq_8"), a1),
    Claim(
        "A2",
        "quantizer dropout makes one model of many rates",
        "SoundStream",
        ("rvq_1", "rvq_2", "rvq_4", "rvq_8", "rvq_8_dropout_0.5"),
        a2,
    ),
    Claim(
        "A3",
        "dropout costs at all levels, for all items more than for half",
        "DAC",
        ("rvq_8", "rvq_8_dropout_0.5", "rvq_8_dropout_1"),
        a3,
    ),
    Claim("A4", "dropout puts more into the first level", "SoundStream", ("rvq_8", "rvq_8_dropout_0.5"), a4),
    Claim(
        "B1",
        "a large codebook of averages loses codes; factorised, SimVQ and FSQ keep them",
        "SimVQ",
        ("factorised_256", "ema_256", "ema_4096", *BOOKS),
        b1,
    ),
    Claim(
        "B2",
        "codes have a best dimension, between 8 and 32",
        "DAC",
        tuple(f"factorised_4_dim_{dim}" for dim in (2, 8, 32, DIM)),
        b2,
    ),
    Claim(
        "B3",
        "a larger codebook helps while it is used",
        "SimVQ",
        tuple(f"{family}_{size}" for family in ("simvq_speech", "ema") for size in (256, 1024, 4096)),
        b3,
    ),
    Claim(
        "B4",
        "revival works, undone it does not, and by an absolute threshold it harms a good start",
        "EnCodec, espnet#6284",
        (*BAD, "ema_1024", "ema_1024_absolute", "ema_1024_relative"),
        b4,
    ),
    Claim(
        "B5",
        "k-means starts faster; with revival the end is the same",
        "SoundStream",
        ("ema_1024", "ema_1024_relative", "ema_1024_uniform", "ema_1024_uniform_relative"),
        b5,
    ),
    Claim(
        "B6",
        "one straight-through path beats none for the later levels and one for each",
        "encodec#25, NeMo",
        ("rvq_4", "rvq_4_zero_gradient", "rvq_4_many_paths"),
        b6,
    ),
    Claim(
        "B7",
        "grouped FSQ is as good as RVQ with all codes in use; RVQ is better at two levels",
        "HiFi-Codec, NeMo",
        ("rvq_4", "group_rvq_2_of_2", "group_fsq_4", "rvq_2", "group_fsq_2", "fsq_65536"),
        b7,
    ),
    Claim("B8", "few large codebooks beat many small ones", "SoundStream", ("rvq_4", "rvq_32_of_2"), b8),
    Claim(
        "C1",
        "levels of several rates: as good on speech at equal bits, with an eighth fewer tokens",
        "SNAC",
        ("multiscale_3", "rvq_2_of_128"),
        c1,
    ),
    Claim(
        "C2",
        "a cascade beats separate levels, whose coarsest stands alone",
        "Jukebox, SoundStream",
        ("multiscale_3", "parallel_3"),
        c2,
    ),
    Claim("C3", "the coarsest level alone is not understood", "snac#1", ("multiscale_3",), c3),
    Claim("D1", "Snake beats ELU", "DAC", ("codec_snake", "codec_elu"), d1),
    Claim("D2", "an LSTM at the bottleneck helps a little", "EnCodec", ("codec_lstm", "codec_elu"), d2),
    Claim(
        "D3",
        "an inverse-STFT head: equal mel, decoded 5 times as fast",
        "Vocos, WavTokenizer",
        ("codec_inverse_stft", "codec_elu"),
        d3,
    ),
    Claim("D4", "causal costs", "SoundStream, EnCodec", ("codec_same", "codec_elu"), d4),
    Claim(
        "D5",
        "the decoder's width matters more than the encoder's",
        "SoundStream",
        ("codec_wide_decoder", "codec_wide_encoder"),
        d5,
    ),
    Claim(
        "E1",
        "the absolute error alone: best SI-SDR, worst mel; several windows: best mel",
        "DAC",
        ("rvq_4", "rvq_4_one_mel", "rvq_4_absolute_error"),
        e1,
    ),
    Claim("E2", "an adversary makes mel and SI-SDR a little worse", "DAC, Mimi", ("rvq_4_adversarial", "rvq_4"), e2),
    Claim(
        "E4",
        "the balancer makes mel depend less on the weights",
        "EnCodec",
        ("rvq_4", *(f"rvq_4_{kind}_{weight}" for kind, weight in (("mel", "0.1"), ("mel", "10"), ("balanced", "0.1"),
                                                                  ("balanced", "1"), ("balanced", "10")))),
        e4,
    ),
    Claim("G1", "codes hold less than their bits, and coding shows it", "EnCodec", ("rvq_4",), g1),
    Claim("G2", "chunks by the computed field change no code; a guess does", "dac#39", ("codec_same",), g2),
    Claim("G3", "a stream gives the codes of the whole", "moshi#145", ("codec_elu",), g3),
    Claim("G4", "half precision changes codes with the batch", "MOSS", ("rvq_2",), g4),
]  # fmt: skip
