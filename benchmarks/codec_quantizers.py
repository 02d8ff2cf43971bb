"""Residual quantizers of audio codecs against the public packages, in one process and in turns, codes compared.

A training step is forward and backward, with the commitment, over the latents of 10 s at 75 Hz and of 8 x 2 s:
against encodec's ResidualVectorQuantization and vector-quantize-pytorch's ResidualVQ, dead-code replacement off on all
sides. The factorised encode is that of DAC at 44 kHz (9 levels of 1,024 codes of 8 dimensions over 1,024 channels,
10 s), against transformers' DacResidualVectorQuantizer, whose projections are without weight norm as ours are.

Codes are compared on equal weights in eval mode. A code may differ where two codes are so close that float32 cannot
tell (their distances, in float64, differ by less than CLOSE of their size); what follows such a tie is another stack's.
"""

import statistics
import time
from collections.abc import Callable

import torch
from encodec.quantization.core_vq import ResidualVectorQuantization
from torch import Tensor
from torch.nn import functional as F
from transformers import DacConfig
from transformers.models.dac.modeling_dac import DacResidualVectorQuantizer
from vector_quantize_pytorch import ResidualVQ

from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import DataSample
from signaltok.quantizers.codebook.update import ExponentialMovingAverage, Gradient, Update
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.residual import ResidualQuantizer

CLOSE = 1e-5
LEVELS, SIZE, DIM = 8, 1024, 128
SHAPES = [(1, 750), (8, 150)]  # items, frames of each
DAC_LEVELS, DAC_DIM, DAC_WIDTH, DAC_FRAMES = 9, 8, 1024, 861
Calls = dict[str, Callable[[], object]]


def stack(count: int, dim: int, codebook_dim: int, metric: str, update: Update) -> ResidualQuantizer:
    level = VectorQuantizer(
        latent_dim=dim,
        codebook_size=SIZE,
        codebook_dim=codebook_dim,
        metric=metric,
        update=update,
        estimator=StraightThrough(),
        initialization=DataSample(),
        revival=None,
    )
    return ResidualQuantizer(
        latent_dim=dim,
        num_codebooks=count,
        level=level,
        shared=False,
        rescale=1.0,
        dropout=0.0,
        choices=None,
        orthogonal=False,
    )


@torch.no_grad()
def same_books(z: Tensor) -> tuple[ResidualQuantizer, ResidualVectorQuantization, ResidualVQ]:
    """Three stacks with the same vectors: rows of z, and of what is left of it level by level."""
    ours = stack(LEVELS, DIM, DIM, "euclidean", ExponentialMovingAverage(decay=0.99, epsilon=1e-5)).train()
    options = {"num_quantizers": LEVELS, "dim": DIM, "codebook_size": SIZE, "decay": 0.99, "threshold_ema_dead_code": 0}
    encodec = ResidualVectorQuantization(kmeans_init=False, **options)
    library = ResidualVQ(rotation_trick=False, **options)
    left = z.transpose(1, 2).reshape(-1, DIM)
    for own, one, other in zip(ours.levels, encodec.layers, library.layers, strict=True):
        vectors = left[torch.randint(len(left), (SIZE,))] * 0.9 + 0.1 * torch.randn(SIZE, DIM) * left.std()
        own.table.start(vectors)
        own.initialized.fill_(True)
        one._codebook.embed.copy_(vectors)
        one._codebook.embed_avg.copy_(vectors)
        one._codebook.cluster_size.fill_(1)
        other._codebook.embed.copy_(vectors[None])
        other._codebook.embed_avg.copy_(vectors[None])
        other._codebook.cluster_size.fill_(1)
        left = left - vectors[torch.cdist(left, vectors).argmin(1)]
    return ours, encodec, library


@torch.no_grad()
def unexplained(
    ours: list[Tensor],
    theirs: list[Tensor],
    distances: Callable[[int, Tensor, Tensor], Tensor],
    apart: float = 0.0,
) -> int:
    """Codes that differ where no near tie was; distances: squared, of codes of a level, given the codes before it.

    apart: by how much the latents of the two differ, which changes a squared distance d by at most 2 apart sqrt(d).
    """
    open_, found = torch.ones_like(ours[0], dtype=torch.bool), 0
    for number, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        one, two = (distances(number, torch.stack([*ours[:number], codes]), open_) for codes in (own, other))
        tie = (one - two).abs() < CLOSE * torch.maximum(one, two) + 2 * apart * (one.sqrt() + two.sqrt())
        found += int(((own != other) & open_ & ~tie).sum())
        open_ = open_ & (own == other)
    return found


def medians(calls: Calls, rounds: int) -> dict[str, float]:
    """Milliseconds of each, in turns; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def training(items: int, frames: int, rounds: int) -> dict[str, object]:
    """A training step of EnCodec's size."""
    torch.manual_seed(0)
    z = torch.randn(items, DIM, frames)
    ours, encodec, library = same_books(z)
    ours.eval(), encodec.eval(), library.eval()
    with torch.no_grad():
        own = [codes.flatten() for codes in ours.encode(z)]
        others = [encodec.encode(z).flatten(1).unbind(0), library(z.transpose(1, 2))[1].flatten(0, 1).unbind(-1)]
    books = [level.table.vectors.double() for level in ours.levels]
    rows = z.transpose(1, 2).reshape(-1, DIM).double()

    def distances(number: int, codes: Tensor, open_: Tensor) -> Tensor:  # noqa: ARG001
        said = sum(book[chosen] for book, chosen in zip(books, codes, strict=False))
        return (rows - said).square().sum(1)

    differing = [int((torch.stack(own) != torch.stack(list(codes))).sum()) for codes in others]
    wrong = sum(unexplained(own, list(codes), distances) for codes in others)
    ours.train(), encodec.train(), library.train()

    def step_ours() -> None:
        latent = z.clone().requires_grad_()
        quantized = ours(latent)
        (quantized.z_q.square().mean() + quantized.losses["commitment"]).backward()

    def step_encodec() -> None:
        latent = z.clone().requires_grad_()
        z_q, _, losses = encodec(latent)
        (z_q.square().mean() + losses.mean()).backward()

    def step_library() -> None:
        latent = z.clone().requires_grad_()
        z_q, _, losses = library(latent.transpose(1, 2))
        (z_q.square().mean() + losses.mean()).backward()

    times = medians({"ours": step_ours, "encodec": step_encodec, "library": step_library}, rounds)
    return {
        "what": f"train {LEVELS} x {SIZE} x {DIM}, {items} x {frames}",
        "milliseconds": round(times["ours"], 1),
        "over_encodec": round(times["encodec"] / times["ours"], 2),
        "over_library": round(times["library"] / times["ours"], 2),
        "codes": items * frames * LEVELS,
        "differing": differing,
        "codes_equal": wrong == 0,
    }


@torch.no_grad()
def same_dac(ours: ResidualQuantizer, theirs: DacResidualVectorQuantizer) -> None:
    """Give ours the weights of theirs."""
    for own, other in zip(ours.levels, theirs.quantizers, strict=True):
        own.project_in.weight.copy_(other.in_proj.weight[..., 0])
        own.project_in.bias.copy_(other.in_proj.bias)
        own.project_out.weight.copy_(other.out_proj.weight[..., 0])
        own.project_out.bias.copy_(other.out_proj.bias)
        own.table.start(other.codebook.weight)
        own.initialized.fill_(True)


def factorised(rounds: int, *, train: bool) -> dict[str, object]:
    """DAC's stack: encoding, or a training step."""
    torch.manual_seed(0)
    config = DacConfig(hidden_size=DAC_WIDTH, n_codebooks=DAC_LEVELS, codebook_size=SIZE, codebook_dim=DAC_DIM)
    theirs = DacResidualVectorQuantizer(config).eval()
    theirs.quantizer_dropout = 0
    ours = stack(DAC_LEVELS, DAC_WIDTH, DAC_DIM, "angle", Gradient(decay=0.99)).eval()
    same_dac(ours, theirs)
    z = torch.randn(1, DAC_WIDTH, DAC_FRAMES)
    with torch.no_grad():
        own, other = [codes.flatten() for codes in ours.encode(z)], list(theirs(z)[1][0].unbind(0))
    exact = [level.double() for level in stack_of(ours)]
    rows = z[0].T.double()

    @torch.no_grad()
    def distances(number: int, codes: Tensor, open_: Tensor) -> Tensor:  # noqa: ARG001
        left = rows.clone()
        for level, chosen in zip(exact[:number], codes, strict=False):
            left -= level.project_out(level.table.vectors[chosen])
        angle = F.cosine_similarity(exact[number].project_in(left), exact[number].table.vectors[codes[number]])
        return 2 - 2 * angle

    differing, wrong = int((torch.stack(own) != torch.stack(other)).sum()), unexplained(own, other, distances)
    if train:
        ours.train(), theirs.train()

        def step_ours() -> None:
            quantized = ours(z.clone().requires_grad_())
            (quantized.z_q.square().mean() + sum(quantized.losses.values())).backward()

        def step_theirs() -> None:
            z_q, _, _, commitment, codebook = theirs(z.clone().requires_grad_())
            (z_q.square().mean() + commitment.mean() + codebook.mean()).backward()

        times = medians({"ours": step_ours, "theirs": step_theirs}, rounds)
    else:
        with torch.no_grad():
            times = medians({"ours": lambda: ours.encode(z), "theirs": lambda: theirs(z)}, rounds)
    return {
        "what": f"{'train' if train else 'encode'} DAC {DAC_LEVELS} x {SIZE} x {DAC_DIM}, {DAC_FRAMES} frames",
        "milliseconds": round(times["ours"], 1),
        "over_dac": round(times["theirs"] / times["ours"], 2),
        "codes": DAC_FRAMES * DAC_LEVELS,
        "differing": [differing],
        "codes_equal": wrong == 0,
    }


def stack_of(quantizer: ResidualQuantizer) -> list[VectorQuantizer]:
    """Copies of its levels."""
    copied = stack(DAC_LEVELS, DAC_WIDTH, DAC_DIM, "angle", Gradient(decay=0.99))
    copied.load_state_dict(quantizer.state_dict())
    return list(copied.levels)  # type: ignore[arg-type]


def rows(rounds: int) -> list[dict[str, object]]:
    """Every comparison."""
    found = [training(items, frames, rounds) for items, frames in SHAPES]
    return [*found, factorised(rounds, train=False), factorised(rounds, train=True)]
