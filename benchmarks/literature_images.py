"""The 26 claims about image tokenizers, each with the judge of its runs (literature_image_runs.py)."""

import itertools

from literature import FAILS, HOLDS, Claim, Values, above, at_least, rising, shown, worst
from literature_image_runs import DEPTHS, EXTRA, overrides

__all__ = ["CLAIMS", "DEFECTS", "EXTRA", "PLOT", "STEPS", "overrides"]

STEPS = 1000
DEFECTS: dict[str, str] = {}
# Runs in the plot of rate and distortion.
PLOT = (
    "stride_8_256", "stride_16_16384", "average_4096", "average_65536", "lattice_4096", "simvq_4096", "ibq_4096",
    "residual_2_256", "residual_8_256", "grouped_8_512",
)  # fmt: skip


def usage(values: Values, *runs: str) -> str:
    return ", ".join(f"{shown(values[run]['test/usage'], 1, 100)} %" for run in runs)


def decibel(values: Values, *runs: str) -> str:
    return ", ".join(f"{shown(values[run]['test/psnr'])} dB" for run in runs)


def in_order(name: str, text: str, source: str, *, label: str, figure: str, runs: tuple[str, ...]) -> Claim:
    """A claim that a figure falls from run to run. label: of the runs, in their order."""
    show = {"test/usage": usage, "test/psnr": decibel}[figure]

    def judge(v: Values) -> tuple[str, str]:
        return f"{label}: {show(v, *runs)}", rising(*(v[run][figure] for run in reversed(runs)))

    return Claim(name, text, source, runs, judge)


def claim_2(v: Values) -> tuple[str, str]:
    runs = ("lattice_256", "lattice_1024", "lattice_4096")
    found = worst(*(at_least(v[run]["test/usage"], 0.95) for run in runs))
    return f"2^8, 2^10, 2^12: {usage(v, *runs)}", found


def claim_3(v: Values) -> tuple[str, str]:
    pairs = [(f"lattice_{size}", f"gradient_{size}") for size in (256, 4096)]
    text = "; ".join(f"K {a.split('_')[1]}: {decibel(v, a)} against {decibel(v, b)}" for a, b in pairs)
    (small_a, small_b), (large_a, large_b) = pairs
    return text, worst(
        above(v[small_b]["test/psnr"], v[small_a]["test/psnr"]), above(v[large_a]["test/psnr"], v[large_b]["test/psnr"])
    )


def claim_5(v: Values) -> tuple[str, str]:
    low, middle, high = (f"cosine_1024_dim_{dim}" for dim in (4, 8, 256))
    found = worst(
        above(v[middle]["test/psnr"], v[low]["test/psnr"]), above(v[middle]["test/psnr"], v[high]["test/psnr"])
    )
    return f"D 4, 8, 256: {decibel(v, low, middle, high)}", found


def claim_6(v: Values) -> tuple[str, str]:
    runs = ("average_4096", "gradient_4096")
    found = worst(*(above(*(v[run][name] for run in runs)) for name in ("test/usage", "test/psnr")))
    return f"{usage(v, *runs)}; {decibel(v, *runs)}", found


def claim_7(v: Values) -> tuple[str, str]:
    runs = ("gradient_4096_revival", "gradient_4096")
    found = worst(above(*(v[run]["test/usage"] for run in runs)), at_least(v[runs[0]]["test/usage"], 0.9))
    return usage(v, *runs), found


def claim_8(v: Values) -> tuple[str, str]:
    a, b = "average_1024_kmeans", "average_1024_uniform"
    start, end = ([x - y for x, y in zip(v[a][name], v[b][name], strict=True)] for name in ("early/psnr", "test/psnr"))
    found = worst(above(v[a]["early/psnr"], v[b]["early/psnr"]), above(start, end))
    return f"gap {shown(start)} dB at a quarter of the run, {shown(end)} dB at its end", found


def claim_9(v: Values) -> tuple[str, str]:
    a, b = "gradient_1024_rotation", "gradient_1024"
    found = worst(
        above(v[b]["train/commitment"], v[a]["train/commitment"]), above(v[a]["test/usage"], v[b]["test/usage"])
    )
    errors = ", ".join(shown(v[run]["train/commitment"], 4) for run in (a, b))
    return f"error {errors}; {usage(v, a, b)}", found


def claim_10(v: Values) -> tuple[str, str]:
    return f"K 4,096: {usage(v, 'simvq_4096')}", at_least(v["simvq_4096"]["test/usage"], 0.99)


def claim_11(v: Values) -> tuple[str, str]:
    low, high = "ibq_1024", "ibq_1024_dim_256"
    found = worst(at_least(v[low]["test/usage"], 0.95), above(v[low]["test/usage"], v[high]["test/usage"]))
    return f"D 16; D 256 at a rate of 1e-4: {usage(v, low, high)}", found


def claim_12(v: Values) -> tuple[str, str]:
    families = [[f"{name}_{size}" for size in (256, 1024, 4096)] for name in ("simvq", "ibq")]
    text = "; ".join(f"{runs[0].split('_')[0]} {decibel(v, *runs)}" for runs in families)
    return text, worst(*(rising(*(v[run]["test/psnr"] for run in runs)) for runs in families))


def claim_13(v: Values) -> tuple[str, str]:
    columns = [v["residual_8_256"][f"test/psnr_of_{levels}_levels"] for levels in range(1, 9)]
    means = [sum(column) / len(column) for column in columns]
    gains = [b - a for a, b in itertools.pairwise(means)]
    found = worst(rising(*columns), HOLDS if gains[0] > gains[-1] else FAILS)
    return f"1 to 8 levels: {', '.join(f'{mean:.2f}' for mean in means)} dB", found


def claim_16(v: Values) -> tuple[str, str]:
    runs = ("lookup_free_entropy_0.1", "lookup_free_entropy_0.0")
    found = worst(above(*(v[run]["test/usage"] for run in runs)), at_least(v[runs[0]]["test/usage"], 0.95))
    return f"weight .1, 0: {usage(v, *runs)}", found


def claim_17(v: Values) -> tuple[str, str]:
    more, less = "lookup_free_entropy_0.5", "lookup_free_entropy_0.1"
    found = worst(
        above(v[more]["test/perplexity"], v[less]["test/perplexity"]), above(v[less]["test/psnr"], v[more]["test/psnr"])
    )
    codes = ", ".join(shown(v[run]["test/perplexity"], 0) for run in (more, less))
    return f"weight .5, .1: perplexity {codes}; {decibel(v, more, less)}", found


def claim_19(v: Values) -> tuple[str, str]:
    annealed, constant, prior = "gumbel_kl_0.0", "gumbel_constant", "gumbel_kl_1.0"
    found = worst(*(above(v[annealed]["test/psnr"], v[other]["test/psnr"]) for other in (constant, prior)))
    return f"annealed, constant, annealed with KL 1: {decibel(v, annealed, constant, prior)}", found


def claim_21(v: Values) -> tuple[str, str]:
    runs = ("average_1024", "average_1024_beta_1")
    gaps = [abs(a - b) for a, b in zip(*(v[run]["test/psnr"] for run in runs), strict=True)]
    return f".25, 1: {decibel(v, *runs)}", HOLDS if max(gaps) < 0.5 else FAILS


def claim_22(v: Values) -> tuple[str, str]:
    on, off = "vq_adversarial", "vq_pixels"
    found = worst(
        above(v[off]["test/fd_effnet"], v[on]["test/fd_effnet"]),
        above(v[off]["test/kid_effnet"], v[on]["test/kid_effnet"]),
        above(v[off]["test/psnr"], v[on]["test/psnr"]),
    )
    distances = ", ".join(
        f"{shown(v[run]['test/fd_effnet'], 0)} / {shown(v[run]['test/kid_effnet'], 3)}" for run in (on, off)
    )
    return f"with and without: FD-effnet / KID-effnet {distances}; {decibel(v, on, off)}", found


def claim_24(v: Values) -> tuple[str, str]:
    lengths = (8, 16, 32, 64)
    fixed = [v[f"query_{tokens}"]["test/psnr"] for tokens in lengths]
    dropped = [v["query_tail_drop"][f"test/psnr_of_{tokens}_tokens"] for tokens in lengths]
    each, one = (", ".join(shown(column) for column in columns) for columns in (fixed, dropped))
    return f"8, 16, 32, 64 tokens: {each} dB; one model {one} dB", worst(rising(*fixed), rising(*dropped))


def claim_30(v: Values) -> tuple[str, str]:
    pairs = [(f"joint_{n}", f"alone_{n}") for n in (1, 8)]
    probes = [[v[run]["test/probe_z_q"] for run in pair] for pair in pairs]
    lost = [[b - a for a, b in zip(*(v[run]["test/psnr"] for run in pair), strict=True)] for pair in pairs]
    found = worst(
        *(above(joint, alone) for joint, alone in probes),
        *(above(loss, [0.0] * len(loss)) for loss in lost),
        above(*lost),
    )
    text = "; ".join(
        f"{n} x {2048 // n}: probe {', '.join(shown(values, 1, 100) for values in probe)} %, {shown(loss)} dB less"
        for n, probe, loss in zip((1, 8), probes, lost, strict=True)
    )
    return f"joint and alone, {text}", found


def claim_31(v: Values) -> tuple[str, str]:
    figures = v["contrastive_depth_8"]
    before = both(figures, "pre")
    kept = [
        [sum(after) / sum(whole) for whole, after in zip(before, both(figures, f"of_{n}_levels"), strict=True)]
        for n in DEPTHS
    ]
    shares = ", ".join(f"{shown(share, 0, 100)} %" for share in kept)
    return f"of R@10, by 1, 2, 4, 8 levels: {shares}", worst(rising(*kept), at_least(kept[-1], 0.9))


def both(figures: dict[str, list[float]], what: str) -> list[tuple[float, float]]:
    """Recall at 10 of what (a tap, or a number of levels) in both directions, a pair a seed."""
    directions = (figures[f"test/recall_at_10_{way}_{what}"] for way in ("image_to_text", "text_to_image"))
    return list(zip(*directions, strict=True))


CLAIMS = [
    in_order(
        "1",
        "usage of a plain codebook falls as it grows",
        "SimVQ, VQGAN-LC",
        label="K 256, 1,024, 4,096",
        figure="test/usage",
        runs=("gradient_256", "gradient_1024", "gradient_4096"),
    ),
    Claim(
        "2", "FSQ uses nearly all codes at every size", "FSQ", ("lattice_256", "lattice_1024", "lattice_4096"), claim_2
    ),
    Claim(
        "3",
        "FSQ passes VQ at a large size and loses at a small one",
        "FSQ",
        ("lattice_256", "lattice_4096", "gradient_256", "gradient_4096"),
        claim_3,
    ),
    in_order(
        "4",
        "cosine codes of few dimensions raise usage",
        "ViT-VQGAN, LlamaGen",
        label="D 8 cosine, D 64",
        figure="test/usage",
        runs=("cosine_4096_dim_8", "gradient_4096"),
    ),
    Claim(
        "5",
        "PSNR has an interior optimum in the codes' dimension",
        "LlamaGen",
        ("cosine_1024_dim_4", "cosine_1024_dim_8", "cosine_1024_dim_256"),
        claim_5,
    ),
    Claim(
        "6", "moving averages with revival beat the gradient", "VQGAN-LC", ("average_4096", "gradient_4096"), claim_6
    ),
    Claim(
        "7",
        "revival alone restores dead codes",
        "Jukebox, SoundStream",
        ("gradient_4096_revival", "gradient_4096"),
        claim_7,
    ),
    Claim(
        "8",
        "a k-means start helps early, and its gap shrinks",
        "LaVIT",
        ("average_1024_kmeans", "average_1024_uniform"),
        claim_8,
    ),
    Claim(
        "9",
        "the rotation estimator lowers the error and raises usage",
        "Fifty et al.",
        ("gradient_1024_rotation", "gradient_1024"),
        claim_9,
    ),
    Claim("10", "SimVQ uses nearly all codes of a large codebook", "SimVQ", ("simvq_4096",), claim_10),
    Claim(
        "11",
        "IBQ uses its codes at few dimensions and may collapse at many with a low rate",
        "SEED-Voken#59",
        ("ibq_1024", "ibq_1024_dim_256"),
        claim_11,
    ),
    Claim(
        "12",
        "PSNR of SimVQ and of IBQ rises with the codebook",
        "SimVQ, IBQ",
        ("simvq_256", "simvq_1024", "simvq_4096", "ibq_256", "ibq_1024", "ibq_4096"),
        claim_12,
    ),
    Claim(
        "13", "PSNR rises with the depth of a residual stack, less and less", "RQ-VAE", ("residual_8_256",), claim_13
    ),
    in_order(
        "14",
        "at 16 bits two residual levels beat one codebook",
        "RQ-VAE",
        label="2 x 2^8, 2^16",
        figure="test/psnr",
        runs=("residual_2_256", "average_65536"),
    ),
    in_order(
        "15",
        "several sub-codebooks beat one of as many codes",
        "UniTok",
        label="8 x 512, 1 x 4,096",
        figure="test/psnr",
        runs=("grouped_8_512", "average_4096"),
    ),
    Claim(
        "16",
        "LFQ loses codes without its entropy term",
        "MAGVIT-2",
        ("lookup_free_entropy_0.1", "lookup_free_entropy_0.0"),
        claim_16,
    ),
    Claim(
        "17",
        "more entropy weight: more codes, less PSNR",
        "vector-quantize-pytorch#89",
        ("lookup_free_entropy_0.5", "lookup_free_entropy_0.1"),
        claim_17,
    ),
    in_order(
        "18",
        "BSQ is at least as good as LFQ at equal bits",
        "BSQ",
        label="10 bits, entropies at .1 each",
        figure="test/psnr",
        runs=("spherical_10_entropy_0.1", "lookup_free_entropy_0.1"),
    ),
    Claim(
        "19",
        "Gumbel needs its annealing, and KL hurts reconstruction",
        "DALLE-pytorch#92",
        ("gumbel_kl_0.0", "gumbel_constant", "gumbel_kl_1.0"),
        claim_19,
    ),
    in_order(
        "20",
        "usage rises with the tokens of a batch",
        "unilm#936",
        label="batch 16, 4, 2",
        figure="test/usage",
        runs=("gradient_1024_batch_16", "gradient_1024", "gradient_1024_batch_2"),
    ),
    Claim(
        "21",
        "the commitment weight, .25 or 1, changes PSNR little",
        "taming#57",
        ("average_1024", "average_1024_beta_1"),
        claim_21,
    ),
    Claim(
        "22",
        "an adversary and a perceptual term: closer sets of pictures, less PSNR",
        "TokenFlow#22, latent-diffusion#350",
        ("vq_adversarial", "vq_pixels"),
        claim_22,
    ),
    in_order(
        "23",
        "more tokens beat more codes",
        "LDM",
        label="stride 8 with 2^8, 16 with 2^14",
        figure="test/psnr",
        runs=("stride_8_256", "stride_16_16384"),
    ),
    Claim(
        "24",
        "PSNR rises with the number of one-dimensional tokens, in one model too",
        "TiTok, One-D-Piece",
        ("query_8", "query_16", "query_32", "query_64", "query_tail_drop"),
        claim_24,
    ),
    Claim(
        "30",
        "a contrast beside the reconstruction: better probes, less PSNR, the less the more sub-codebooks",
        "UniTok, QLIP",
        ("joint_1", "alone_1", "joint_8", "alone_8"),
        claim_30,
    ),
    Claim(
        "31",
        "codes of a contrastive encoder keep most of its retrieval, the more the deeper the stack",
        "VQ-KD",
        ("contrastive_depth_8",),
        claim_31,
    ),
]
