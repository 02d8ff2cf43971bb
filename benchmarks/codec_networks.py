"""Whole encoders of audio codecs against the public packages with the same weights, codes compared.

EnCodec's encoder of the 24 kHz model with 8 levels of 1,024 codes, against the package encodec and against onnxruntime
on the graph of our encoder (with our quantizer behind it); SNAC's of the 24 kHz model with its levels of 1/4, 1/2 and
all frames of 4,096 codes, against the package snac. Weights are random, copied as tests/encoders/published.py does it,
with weight norm folded on our side, as an exported tokenizer has it; codebooks are taken from the latents.

`exact` is Tokenizer.encode, in canonical blocks: of EnCodec of a second, as `signaltok import` makes them, and of more
(`exact 3.4 s`); `free` is the encoder over the whole signal and then the quantizer.
Codes may differ at near ties, see codec_quantizers.py.
"""

import io
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import torch
from codec_quantizers import medians, stack, unexplained
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.exactness import exact_arithmetic
from signaltok.layers.convolution import Convolution, TransposedConvolution
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.codebook.initialization import DataSample
from signaltok.quantizers.codebook.update import ExponentialMovingAverage, Gradient
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.multiscale import MultiscaleQuantizer
from signaltok.tokenizer import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "encoders"))

import published

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the older form of weight norm, and scripts
    from encodec.modules import SEANetEncoder
    from encodec.quantization.core_vq import ResidualVectorQuantization
    from snac import SNAC

RATE = 24000
LONGER = (81920, 161280)  # blocks beside those of a second
GAIN = 1.7  # of random weights, so that a signal comes through many layers
SNAC_SCALES = {4: 1, 2: 2, 1: 4}  # stride of a level: positions for every 4 cells


@torch.no_grad()
def fold(part: nn.Module) -> None:
    """Leave the weights alone of weight norm's pairs."""
    for layer in part.modules():
        if isinstance(layer, Convolution | TransposedConvolution) and layer.weight_gain is not None:
            layer.weight.copy_(layer.kernels())
            layer.weight_gain = None


def tokenizer(encoder: nn.Module, quantizer: nn.Module, decoder: nn.Module, block: int) -> Tokenizer:
    return Tokenizer(
        encoder=encoder,  # type: ignore[arg-type]
        quantizer=quantizer,  # type: ignore[arg-type]
        decoder=decoder,  # type: ignore[arg-type]
        value_range=(-1.0, 1.0),
        block=block,
        sample_rate=RATE,
    ).eval()


def sound(seconds: float, multiple: int) -> Tensor:
    """Noise within the range, of whole cells."""
    samples = int(seconds * RATE) // multiple * multiple
    return (0.1 * torch.randn(1, 1, samples, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)


@torch.enable_grad()  # in that mode the layers say what they compute by single operations, which have names in ONNX
def onnx_session(encoder: nn.Module, x: Tensor, threads: int) -> Callable[[Tensor], Tensor]:
    """The encoder's graph at this size in onnxruntime."""

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, signal: Tensor) -> Tensor:
            return self.encoder(signal, None)

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Whole().eval(), (x,), file, input_names=["signal"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return lambda signal: torch.from_numpy(session.run(None, {"signal": signal.numpy()})[0])


@torch.no_grad()
def encodec(seconds: float, rounds: int, threads: int) -> dict[str, object]:
    """EnCodec-shaped."""
    torch.manual_seed(0)
    x = sound(seconds, 320)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = SEANetEncoder(
            channels=1, dimension=128, n_filters=32, causal=True, norm="weight_norm", ratios=[8, 5, 4, 2]
        ).eval()
    for name, parameter in theirs.named_parameters():
        if name.endswith("weight_g"):
            parameter.mul_(GAIN)
        elif name.endswith("bias"):
            parameter.mul_(0.1)  # or latents would hardly change with time, and codes would be near ties
    encoder, decoder = published.encodec()
    published.copy_weights(encoder, theirs)
    fold(encoder)
    latent = theirs(x)
    quantizer = stack(8, 128, 128, "euclidean", ExponentialMovingAverage(decay=0.99, epsilon=1e-5)).eval()
    books = ResidualVectorQuantization(
        num_quantizers=8, dim=128, codebook_size=1024, kmeans_init=False, threshold_ema_dead_code=0
    ).eval()
    left = latent[0].T
    for own, other in zip(quantizer.levels, books.layers, strict=True):
        vectors = 0.9 * left[torch.randint(len(left), (1024,))] + 0.1 * left.std(0) * torch.randn(1024, 128)
        own.table.start(vectors)
        own.initialized.fill_(True)
        other._codebook.embed.copy_(vectors)
        left = left - vectors[torch.cdist(left, vectors).argmin(1)]
    model, *longer = (tokenizer(encoder, quantizer, decoder, block) for block in (RATE, *LONGER))
    session = onnx_session(encoder, x, threads)
    levels = [level.table.vectors.double() for level in quantizer.levels]

    def distances(number: int, codes: Tensor, open_: Tensor) -> Tensor:  # noqa: ARG001
        said = sum(book[chosen] for book, chosen in zip(levels, codes, strict=False))
        return (latent[0].T.double() - said).square().sum(1)

    calls = {
        "exact": lambda: [codes.flatten() for codes in model.encode(x).levels],
        **{
            f"exact {own.block / RATE:.1f} s": lambda own=own: [codes.flatten() for codes in own.encode(x).levels]
            for own in longer
        },
        "free": lambda: free(model, x),
        "theirs": lambda: list(books.encode(theirs(x)).flatten(1)),
        "onnx": lambda: [codes.flatten() for codes in quantizer.encode(session(x))],
    }
    latents = {"free": encoder(x, None), "exact": exact_latent(model, x), "onnx": session(x)}
    latents |= {f"exact {own.block / RATE:.1f} s": exact_latent(own, x) for own in longer}
    return compared(f"encode EnCodec 24 kHz, {seconds:g} s", calls, rounds, latent, latents, distances, ties=True)


@torch.no_grad()
def snac(seconds: float, rounds: int, block: int = 65536) -> dict[str, object]:
    """SNAC-shaped."""
    torch.manual_seed(0)
    strides = list(SNAC_SCALES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = SNAC(
            sampling_rate=RATE, encoder_dim=48, encoder_rates=[2, 4, 8, 8], decoder_dim=1024,
            decoder_rates=[8, 8, 4, 2], attn_window_size=None, codebook_size=4096, codebook_dim=8, vq_strides=strides,
        ).eval()  # fmt: skip
    x = sound(seconds, 512 * max(strides))
    encoder, decoder = published.snac(48, 1024, [2, 4, 8, 8], None)
    published.copy_weights(encoder, theirs.encoder)
    fold(encoder)
    level = VectorQuantizer(
        latent_dim=768, codebook_size=4096, codebook_dim=8, metric="angle", update=Gradient(decay=0.9),
        estimator=StraightThrough(), initialization=DataSample(), revival=None,
    )  # fmt: skip
    quantizer = MultiscaleQuantizer(
        latent_dim=768, scales=list(SNAC_SCALES.values()), level=level, shared=False, upsampling="nearest",
        smoothing=None, orthogonal=False,
    ).eval()  # fmt: skip
    for own, other in zip(quantizer.levels, theirs.quantizer.quantizers, strict=True):
        own.project_in.weight.copy_(other.in_proj.weight[..., 0])
        own.project_in.bias.copy_(other.in_proj.bias)
        own.project_out.weight.copy_(other.out_proj.weight[..., 0])
        own.project_out.bias.copy_(other.out_proj.bias)
        own.table.start(other.codebook.weight)
        own.initialized.fill_(True)
    latent = theirs.encoder(x)
    model = tokenizer(encoder, quantizer, decoder, block)
    published_levels = theirs.quantizer.quantizers
    frames = latent.shape[2]

    def distances(number: int, codes: Tensor, open_: Tensor) -> Tensor:  # noqa: ARG001
        """Codes are repeated to the frames that they stand for."""
        left = latent.double()
        for own, chosen in zip(published_levels[:number], codes, strict=False):
            left = left - F.conv1d(
                own.codebook.weight[chosen].T[None].double(), own.out_proj.weight.double(), own.out_proj.bias.double()
            )
        own, step = published_levels[number], strides[number]
        means = F.avg_pool1d(left, step).repeat_interleave(step, dim=2)
        inner = F.conv1d(means, own.in_proj.weight.double(), own.in_proj.bias.double())[0].T
        return 2 - 2 * F.cosine_similarity(inner, own.codebook.weight[codes[number]].double())

    def whole(codes: list[Tensor]) -> list[Tensor]:
        return [own.flatten().repeat_interleave(step)[:frames] for own, step in zip(codes, strides, strict=True)]

    calls = {
        "exact": lambda: whole(list(model.encode(x).levels)),
        "free": lambda: whole(free(model, x)),
        "theirs": lambda: whole(theirs.encode(x)),
    }
    latents = {"free": encoder(x, None), "exact": exact_latent(model, x)}
    return compared(f"encode SNAC 24 kHz, {seconds:g} s", calls, rounds, latent, latents, distances, ties=False)


def free(model: Tokenizer, x: Tensor) -> list[Tensor]:
    with exact_arithmetic(x.device):
        return [codes.flatten() for codes in model.quantizer.encode(model.encoder(x, None))]


def exact_latent(model: Tokenizer, x: Tensor) -> Tensor:
    return model.embed(x).transpose(1, 2)


def compared(
    what: str,
    calls: dict[str, Callable[[], list[Tensor]]],
    rounds: int,
    latent: Tensor,
    latents: dict[str, Tensor],
    distances: Callable[[int, Tensor, Tensor], Tensor],
    *,
    ties: bool,
) -> dict[str, object]:
    """The row of a comparison. latent: the peer's. ties: whether distances are between latents, as they differ."""
    codes = {name: call() for name, call in calls.items()}
    peers = [name for name in codes if name != "theirs"]
    differing = {
        name: sum(int((a != b).sum()) for a, b in zip(codes[name], codes["theirs"], strict=True)) for name in peers
    }
    apart = {name: float((value - latent).norm(dim=1).max()) for name, value in latents.items()} if ties else {}
    wrong = sum(unexplained(codes[name], codes["theirs"], distances, apart.get(name, 0.0)) for name in peers)
    times, ways = medians(dict(calls), rounds), [name for name in calls if name not in ("theirs", "onnx")]
    row: dict[str, object] = {
        "what": what,
        "milliseconds": {name: round(value, 1) for name, value in times.items()},
        "over_peer": {way: round(times["theirs"] / times[way], 2) for way in ways},
    }
    if "onnx" in times:
        row["over_onnx"] = {way: round(times["onnx"] / times[way], 2) for way in ways}
    row["latent_difference"] = {name: float((value - latent).abs().max()) for name, value in latents.items()}
    row["latent_size"] = float(latent.abs().max())
    row |= {"codes": sum(own.numel() for own in codes["theirs"]), "differing": differing, "codes_equal": wrong == 0}
    return row


def rows(rounds: int, threads: int, seconds: float) -> list[dict[str, object]]:
    """Every comparison."""
    return [encodec(seconds, rounds, threads), snac(seconds, rounds)]
