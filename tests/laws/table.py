"""The parts under the laws: one row each, a tiny instance. A new part adds one line here."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from signaltok.decoders.codec import CodecDecoder
from signaltok.decoders.conv import ConvDecoder
from signaltok.decoders.frames import FramesDecoder
from signaltok.decoders.logit_laplace import LogitLaplaceDecoder
from signaltok.decoders.none import NoDecoder
from signaltok.decoders.query import QueryDecoder
from signaltok.decoders.spectral import SpectralDecoder
from signaltok.decoders.text import TextDecoder
from signaltok.decoders.video import VideoDecoder
from signaltok.decoders.vit import ViTDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.encoders.frames import FramesEncoder
from signaltok.encoders.pooled import PooledEncoder
from signaltok.encoders.query import QueryEncoder
from signaltok.encoders.spectral import SpectralEncoder
from signaltok.encoders.speech import SpeechEncoder
from signaltok.encoders.speech_features import SpeechFeatures
from signaltok.encoders.video import VideoEncoder
from signaltok.encoders.vit import ViTEncoder
from signaltok.layers.activation import Elu, Snake
from signaltok.layers.convolution import Convolution, TransposedConvolution
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.front import Front, Haar, Patches
from signaltok.layers.local_attention import LocalAttention
from signaltok.layers.lstm import Lstm
from signaltok.layers.residual_convolutions import ResidualConvolutions
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.layers.tail import TailDrop
from signaltok.layers.windowed_transformer import WindowedTransformer
from signaltok.parts import Decoder, Encoder, Quantizer
from signaltok.quantizers.assignment import Assignment, GumbelAssignment, NearestAssignment
from signaltok.quantizers.binary_spherical import BinarySphericalQuantizer
from signaltok.quantizers.codebook.estimator import LateStart, Rotation, StraightThrough
from signaltok.quantizers.codebook.initialization import DataSample, Gaussian, KMeans, Uniform
from signaltok.quantizers.codebook.projected import Projected
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.update import ExponentialMovingAverage, Gradient
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.contrastive import ContrastiveQuantizer
from signaltok.quantizers.ctc import CtcQuantizer
from signaltok.quantizers.entropy import CodeEntropy
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.quantizers.gumbel import GumbelQuantizer
from signaltok.quantizers.hierarchical import HierarchicalQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.quantizers.index_propagation import IndexPropagationQuantizer
from signaltok.quantizers.library import LibraryQuantizer
from signaltok.quantizers.lookup_free import LookupFreeQuantizer
from signaltok.quantizers.multiscale import MultiscaleQuantizer
from signaltok.quantizers.parallel import ParallelQuantizer
from signaltok.quantizers.regularized_finite_scalar import RegularizedFiniteScalarQuantizer
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.quantizers.smoothing import PartlySharedConvolutions
from signaltok.quantizers.split import SplitQuantizer
from signaltok.text.spelling import CharacterSpelling

DIM = 4
STRIDE = 4
TOKENS = 6


@dataclass(frozen=True)
class Row:
    """build: a quantizer of DIM latent channels.

    inner: what z_q's gradient must equal under the straight-through estimator; None for other estimators.
    axes: the only number of axes that the quantizer takes, None where it takes any.
    """

    build: Callable[[], Quantizer]
    inner: Callable[[Quantizer, Tensor], Tensor] | None = None
    axes: int | None = None


def itself(quantizer: Quantizer, z: Tensor) -> Tensor:
    return z


def bounded(quantizer: Quantizer, z: Tensor) -> Tensor:
    return quantizer.inner(z).movedim(-1, 1)


def lattice(dim: int, levels: list[int]) -> FiniteScalarQuantizer:
    return FiniteScalarQuantizer(latent_dim=dim, levels=levels, estimator=StraightThrough())


def vector(**changes: object) -> Callable[[], Quantizer]:
    def build() -> Quantizer:
        plain = {
            "latent_dim": DIM,
            "codebook_size": 16,
            "codebook_dim": DIM,
            "metric": "euclidean",
            "update": ExponentialMovingAverage(decay=0.9, epsilon=1e-5),
            "estimator": StraightThrough(),
            "initialization": DataSample(),
            "revival": None,
        }
        return VectorQuantizer(**plain | changes)

    return build


def residual(
    level: Callable[[], Quantizer],
    dropout: float = 0.0,
    shared: bool = False,
    rescale: float = 1.0,
    choices: list[int] | None = None,
) -> Callable[[], Quantizer]:
    return lambda: ResidualQuantizer(
        latent_dim=DIM, num_codebooks=3, level=level(), shared=shared, rescale=rescale, dropout=dropout, choices=choices
    )


def grouped(member: Callable[[], Quantizer], num_groups: int = 2) -> Callable[[], Quantizer]:
    return lambda: GroupedQuantizer(latent_dim=DIM, num_groups=num_groups, member=member())


def multiscale(level: Callable[[], Quantizer], **changes: object) -> Callable[[], Quantizer]:
    plain = {"scales": [1, 2, 3], "shared": False, "upsampling": "cubic", "smoothing": None}
    return lambda: MultiscaleQuantizer(latent_dim=DIM, level=level(), **plain | changes)


def split(acoustic: Callable[[], Quantizer], unquantized: float) -> Callable[[], Quantizer]:
    return lambda: SplitQuantizer(
        latent_dim=DIM,
        semantic=vector(latent_dim=3, codebook_dim=3)(),
        acoustic=acoustic(),
        unquantized=unquantized,
    )


def smoothing() -> PartlySharedConvolutions:
    return PartlySharedConvolutions(axes=2, width=DIM, count=4, ratio=0.5)


def library(name: str, **options: object) -> Callable[[], Quantizer]:
    return lambda: LibraryQuantizer(latent_dim=DIM, name=name, options=options)


def gumbel(temperature: float = 1.0) -> Quantizer:
    return GumbelQuantizer(
        latent_dim=DIM,
        codebook_size=16,
        temperature_start=temperature,
        temperature_end=temperature / 4,
        annealed_by=0.5,
        late_start=0.0,
        initialization=DataSample(),
        sharpness=1.0,
    )


def warm_gumbel() -> Quantizer:
    """For a stack: cold levels make of a difference in the last bit a hundred times as much, a step (law 7)."""
    return gumbel(temperature=16.0)


def contrastive(assignment: Callable[[], Assignment], **changes: object) -> Callable[[], Quantizer]:
    plain = {
        "latent_dim": DIM, "num_codebooks": 2, "codebook_size": 8, "codebook_dim": 3, "affinity_temperature": 1.0,
        "anchor": "self", "anchor_dim": DIM, "head": "own", "temperature": 1.0, "ties": "keep", "num_negatives": 20,
        "negatives": "batch", "initialization": None, "revival": None, "decay": 0.9,
    }  # fmt: skip
    return lambda: ContrastiveQuantizer(**plain | {"assignment": assignment()} | changes)


def relaxed() -> Assignment:
    return GumbelAssignment(start=2.0, end=0.5, until=0.5)


def on_spheres(quantizer: Quantizer, z: Tensor) -> Tensor:
    """Straight through the choice: both projections, and between them each group's vector at length one."""
    rows = z.movedim(1, -1).reshape(-1, DIM)
    u = F.normalize(quantizer.project_in(rows).unflatten(1, (2, 3)), dim=2).flatten(1)
    return quantizer.project_out(u).view(len(z), *z.shape[2:], DIM).movedim(-1, 1)


def entropy() -> CodeEntropy:
    return CodeEntropy(temperature=0.3, early_factor=3.0, early_until=0.5)


def normalised(quantizer: Quantizer, z: Tensor) -> Tensor:
    return F.normalize(z, dim=1)


QUANTIZERS = {
    "identity": Row(lambda: IdentityQuantizer(latent_dim=DIM), itself),
    "ctc": Row(lambda: CtcQuantizer(latent_dim=DIM), itself),
    "fsq": Row(lambda: lattice(DIM, [8, 5, 5, 5]), bounded),
    "fsq projected": Row(lambda: lattice(DIM, [5, 5, 5])),
    "fsq entropy": Row(
        lambda: RegularizedFiniteScalarQuantizer(
            latent_dim=DIM, levels=[8, 5, 5, 5], estimator=StraightThrough(), entropy=entropy()
        ),
        bounded,
    ),
    "lfq": Row(lambda: LookupFreeQuantizer(latent_dim=DIM, bits=DIM, entropy=entropy()), bounded),
    "lfq projected": Row(lambda: LookupFreeQuantizer(latent_dim=DIM, bits=7, entropy=entropy())),
    "bsq": Row(lambda: BinarySphericalQuantizer(latent_dim=DIM, bits=DIM, entropy=entropy()), bounded),
    "bsq projected": Row(lambda: BinarySphericalQuantizer(latent_dim=DIM, bits=3, entropy=None)),
    "vq": Row(vector(), itself),
    "vq gradient": Row(vector(update=Gradient(decay=0.9), initialization=Uniform()), itself),
    "vq rotation": Row(vector(estimator=Rotation())),
    "vq cosine": Row(vector(metric="cosine"), normalised),
    "vq gradient cosine": Row(vector(metric="cosine", update=Gradient(decay=0.9)), normalised),
    "vq gradient cosine revival": Row(
        vector(
            metric="cosine",
            update=Gradient(decay=0.5),
            initialization=Uniform(),
            revival=UsageRevival(threshold=0.5, every=1, until=1.0),
        ),
        normalised,
    ),
    "vq factorised": Row(vector(metric="cosine", codebook_dim=3, estimator=Rotation())),
    "vq angle": Row(vector(metric="angle", update=Gradient(decay=0.9)), itself),
    "vq angle averages": Row(vector(metric="angle", codebook_dim=3)),
    "vq revival": Row(
        vector(initialization=KMeans(iterations=3), revival=UsageRevival(threshold=0.5, every=1, until=1.0)), itself
    ),
    "simvq": Row(vector(update=Projected(decay=0.9), initialization=Gaussian()), itself),
    "gumbel": Row(gumbel),
    "ibq": Row(lambda: IndexPropagationQuantizer(latent_dim=DIM, codebook_size=16, temperature=1.0)),
    "contrastive": Row(contrastive(NearestAssignment), on_spheres),
    "contrastive placed": Row(
        contrastive(
            NearestAssignment,
            head="shared",
            initialization=DataSample(),
            revival=UsageRevival(threshold=0.5, every=1, until=1.0),
        )
    ),
    "contrastive gumbel of items": Row(contrastive(relaxed, ties="mask", negatives="item")),
    "rvq": Row(residual(vector()), itself),
    "rvq gradient": Row(residual(vector(update=Gradient(decay=0.9))), itself),
    "rvq dropout": Row(residual(vector(), dropout=0.5), itself),
    "rvq nested": Row(residual(residual(vector())), itself),
    "rvq projected": Row(
        lambda: ResidualQuantizer(
            latent_dim=DIM,
            num_codebooks=2,
            level=vector(latent_dim=2, codebook_dim=2)(),
            shared=False,
            rescale=1.0,
            dropout=0.0,
            choices=None,
        )
    ),
    "rvq shared": Row(residual(vector(), shared=True), itself),
    "rvq shared gradient dropout": Row(residual(vector(update=Gradient(decay=0.9)), dropout=0.5, shared=True), itself),
    "rvq factorised": Row(residual(vector(codebook_dim=2, metric="cosine", update=Gradient(decay=0.9)))),
    "rvq factorised dropout": Row(residual(vector(codebook_dim=2), dropout=0.5)),
    "rvq dac": Row(residual(vector(codebook_dim=2, metric="angle", update=Gradient(decay=0.9)), dropout=0.5)),
    "rvq late": Row(residual(vector(estimator=LateStart(start=0.25, then=StraightThrough()))), itself),
    "rvq bandwidths": Row(residual(vector(), dropout=1.0, choices=[1, 3]), itself),
    "rvq of fsq": Row(
        residual(
            lambda: lattice(DIM, [5, 5, 5, 5]),
            rescale=4.0,
            dropout=0.5,
        ),
        itself,
    ),
    "rvq of fsq factorised": Row(residual(lambda: lattice(DIM, [5, 5]), rescale=4.0)),
    "rvq of gumbel": Row(residual(warm_gumbel, dropout=0.5)),
    "rvq of contrastive": Row(residual(contrastive(NearestAssignment), dropout=0.5)),
    "rvq of groups": Row(residual(grouped(vector(latent_dim=2, codebook_dim=2))), itself),
    "grouped": Row(grouped(vector(latent_dim=2, codebook_dim=2)), itself),
    "grouped gradient cosine": Row(
        grouped(vector(latent_dim=4, codebook_dim=4, metric="cosine", update=Gradient(decay=0.9)))
    ),
    "grouped fsq": Row(grouped(lambda: lattice(2, [5, 5]))),
    "grouped of rvq": Row(
        grouped(
            lambda: ResidualQuantizer(
                latent_dim=2,
                num_codebooks=2,
                level=vector(latent_dim=2, codebook_dim=2)(),
                shared=True,
                rescale=1.0,
                dropout=0.5,
                choices=None,
            )
        ),
        itself,
    ),
    "multiscale": Row(multiscale(vector(), scales=[1, 2, 4]), itself),
    "multiscale var": Row(
        lambda: multiscale(
            vector(update=Gradient(decay=0.9)), scales=[1, 2, 3, 4], shared=True, smoothing=smoothing()
        )(),
        itself,
        axes=2,
    ),
    "multiscale factorised": Row(
        multiscale(vector(codebook_dim=2, metric="cosine"), scales=[1, 2, 4], upsampling="nearest")
    ),
    "multiscale projected": Row(multiscale(vector(latent_dim=2, codebook_dim=2))),
    "multiscale of fsq": Row(multiscale(lambda: lattice(DIM, [5, 5, 5, 5])), itself),
    "multiscale of gumbel": Row(multiscale(warm_gumbel, scales=[2, 4])),
    "multiscale of rvq": Row(multiscale(residual(vector(), dropout=0.5), scales=[2, 5]), itself),
    "multiscale snac": Row(
        multiscale(
            vector(codebook_dim=2, metric="angle", update=Gradient(decay=0.9)), scales=[1, 2, 4], upsampling="nearest"
        )
    ),
    "split": Row(split(residual(vector(), dropout=0.5), unquantized=0.5)),
    "split dac": Row(split(residual(vector(codebook_dim=2, metric="angle")), unquantized=0.0)),
    "parallel": Row(
        lambda: ParallelQuantizer(
            latent_dim=DIM, axes=2, strides=[4, 1], width=6, depth=1, level=vector(latent_dim=3, codebook_dim=3)()
        ),
        axes=2,
    ),
    "hierarchical": Row(
        lambda: HierarchicalQuantizer(
            latent_dim=DIM, axes=2, width=6, depth=1, top=vector(latent_dim=3, codebook_dim=3)(), bottom=vector()()
        ),
        axes=2,
    ),
    "library vq": Row(library("VectorQuantize", codebook_size=16, rotation_trick=False), itself),
    "library rotation": Row(library("VectorQuantize", codebook_size=16, rotation_trick=True)),
    "library revival": Row(library("VectorQuantize", codebook_size=16, kmeans_init=True, threshold_ema_dead_code=2)),
    "library rvq": Row(
        library("ResidualVQ", codebook_size=16, num_quantizers=3, rotation_trick=False, quant_grad_frac=1.0), itself
    ),
    "library fsq": Row(library("FSQ", levels=[8, 5, 5, 5])),
}

QUERY = {"axes": 2, "channels": 3, "stride": STRIDE, "width": 16, "depth": 1, "heads": 2, "latent_dim": DIM}

RULES = {
    "same": Convolutions(padding="same", mode="constant", norm="weight"),
    "norm": Convolutions(padding="same", mode="reflect", norm="time_group"),
    "causal": Convolutions(padding="causal", mode="reflect", norm="weight"),
    "plain": Convolutions(padding="causal", mode="constant", norm=None),
}
TOP = 16  # the widest layer of a codec
SPECTRAL = {"channels": 3, "stride": STRIDE, "size": 16, "width": 8, "inner": 12, "depth": 1, "kernel": 3}
SPECTRAL |= {"layer_scale": 0.5, "latent_dim": DIM}
RESAMPLE = {"axes": 1, "inputs": DIM, "outputs": DIM, "kernel": 4, "stride": 2, "bias": False}
RESAMPLE |= {"padding": "causal", "norm": None}


def transformer() -> WindowedTransformer:
    return WindowedTransformer(width=DIM, depth=1, heads=2, inner=6, window=5, layer_scale=0.5)


def shared(axes: int, rule: str, depthwise: bool = False) -> dict:
    """What the two sides of a codec have in common."""
    return {
        "axes": axes,
        "channels": 3,
        "kernel": 3,
        "last_kernel": 3,
        "depthwise": depthwise,
        "units": ResidualUnits(
            kernel=3, dilations=[1, 2] if axes == 1 else [1], compress=1 if depthwise else 2, shortcut=not depthwise
        ),
        "activation": Snake() if rule == "same" else Elu(),
        "convolutions": RULES[rule],
        "latent_dim": DIM,
    }


def codec_encoder(axes: int, rule: str, depthwise: bool = False, **changes: object) -> Callable[[], Encoder]:
    strides = changes.pop("strides", [2, 2])
    plain = {"strides": strides, "width": TOP // 2 ** len(strides), "last_activation": not depthwise}
    plain |= {"bottleneck": None, "latent_layers": None, "completion": "signal" if rule == "same" else "layers"}

    def build() -> Encoder:
        layers = {name: [layer() for layer in change] for name, change in changes.items()}
        return CodecEncoder(**shared(axes, rule, depthwise) | plain | layers)

    return build


def codec_decoder(axes: int, rule: str, depthwise: bool = False, **changes: object) -> Callable[[], Decoder]:
    plain = {"strides": changes.pop("strides", [2, 2]), "noise": depthwise, "final_tanh": rule == "same"}
    plain |= {"width": TOP // 2 ** len(plain["strides"]), "bottleneck": None, "latent_layers": None}

    def build() -> Decoder:
        layers = {name: [layer() for layer in change] for name, change in changes.items()}
        return CodecDecoder(**shared(axes, rule, depthwise) | plain | layers)

    return build


SPEECH = {"axes": 1, "channels": 3, "sample_rate": 16000, "size": 8, "transform": 64, "hop": 2, "bins": 4}
SPEECH |= {"floor": 1e-2, "momentum": 0.1, "latent_dim": DIM}


def speech_trunk(width: int) -> ResidualConvolutions:
    return ResidualConvolutions(inputs=12, width=width, strides=[2], stem_kernel=3, depth=1, kernel=3, momentum=0.1)


def video(front: Front, widths: list[int], time_strides: list[int]) -> dict:
    """What the two sides of a video tokenizer have in common."""
    return {
        "axes": 3, "channels": 3, "front": front, "widths": widths, "time_strides": time_strides, "depth": 1,
        "time_kernel": 3, "latent_dim": DIM,
    }  # fmt: skip


def lstm() -> Lstm:
    return Lstm(width=TOP, layers=1)


def local_attention() -> LocalAttention:
    return LocalAttention(width=TOP, window=4, head_dim=8)


ENCODERS: dict[str, Callable[[], Encoder]] = {
    "conv": lambda: ConvEncoder(axes=2, channels=3, stride=STRIDE, widths=[8, 12], depth=1, latent_dim=DIM),
    "vit": lambda: ViTEncoder(axes=2, channels=3, stride=STRIDE, width=16, depth=1, heads=2, latent_dim=DIM),
    "query": lambda: QueryEncoder(**QUERY, tokens=TOKENS, tail_drop=None),
    "query tail": lambda: QueryEncoder(**QUERY, tokens=TOKENS, tail_drop=TailDrop(least=2, lengths="powers_of_two")),
    "pooled": lambda: PooledEncoder(
        axes=2,
        features=ConvEncoder(axes=2, channels=3, stride=STRIDE, widths=[8, 12], depth=1, latent_dim=8),
        latent_dim=DIM,
        tokens=TOKENS,
        spherical=True,
    ),
    "codec": codec_encoder(2, "same"),
    "codec norm": codec_encoder(1, "norm"),
    "codec lstm": codec_encoder(1, "causal", bottleneck=[lstm]),
    "codec local": codec_encoder(1, "same", depthwise=True, bottleneck=[local_attention]),
    "codec transformer": codec_encoder(
        1,
        "plain",
        strides=[2],
        latent_layers=[transformer, lambda: Convolution(dilation=1, groups=1, mode="replicate", **RESAMPLE)],
    ),
    "spectral": lambda: SpectralEncoder(**SPECTRAL, axes=1, compression=0.3, floor=1e-3),
    "frames": lambda: FramesEncoder(axes=3, channels=3, latent_dim=DIM, pictures=ENCODERS["conv"]()),
    "video": lambda: VideoEncoder(**video(Patches(time=1, space=2), [8, 12], [2, 2])),
    "video haar": lambda: VideoEncoder(**video(Haar(levels=1), [8, 12], [1, 2])),
    "speech": lambda: SpeechEncoder(**SPEECH, augmentation=None, trunk=speech_trunk(8), width=8),
    "speech features": lambda: SpeechFeatures(**SPEECH, trunk=speech_trunk(DIM)),
}
DECODERS: dict[str, Callable[[], Decoder]] = {
    "conv": lambda: ConvDecoder(axes=2, channels=3, stride=STRIDE, widths=[12, 8], depth=1, latent_dim=DIM),
    "vit": lambda: ViTDecoder(axes=2, channels=3, stride=STRIDE, width=16, depth=1, heads=2, latent_dim=DIM),
    "logit laplace": lambda: LogitLaplaceDecoder(
        decoder=ConvDecoder(axes=2, channels=6, stride=STRIDE, widths=[12, 8], depth=1, latent_dim=DIM),
        channels=3,
        value_range=[-1.0, 1.0],
    ),
    "query": lambda: QueryDecoder(**QUERY, tokens=TOKENS),
    "none": lambda: NoDecoder(axes=2, channels=3, stride=STRIDE, latent_dim=DIM, tokens=TOKENS),
    "codec": codec_decoder(2, "same"),
    "codec norm": codec_decoder(1, "norm"),
    "codec lstm": codec_decoder(1, "causal", bottleneck=[lstm]),
    "codec local": codec_decoder(1, "same", depthwise=True, bottleneck=[local_attention]),
    "codec transformer": codec_decoder(
        1, "plain", strides=[2], latent_layers=[lambda: TransposedConvolution(groups=DIM, **RESAMPLE), transformer]
    ),
    "spectral": lambda: SpectralDecoder(**SPECTRAL, context=None),
    "text": lambda: TextDecoder(
        axes=1, channels=3, stride=STRIDE, latent_dim=DIM, spelling=CharacterSpelling(symbols="abc")
    ),
    "frames": lambda: FramesDecoder(axes=3, channels=3, latent_dim=DIM, pictures=DECODERS["conv"]()),
    "video": lambda: VideoDecoder(**video(Patches(time=1, space=2), [12, 8], [2, 2])),
    "video haar": lambda: VideoDecoder(**video(Haar(levels=1), [12, 8], [1, 2])),
}


def pairs() -> list[tuple[str, str]]:
    """Encoders and decoders that go together: a grid with a grid, a sequence of tokens with a sequence; twins alone of
    those over one axis, of codecs and of videos; speech, which has no twin, with spectral. Those that give no signal
    (tests/decoders/test_none.py, tests/tokenizer/test_text.py) are left out."""
    encoders, decoders = ({name: build() for name, build in table.items()} for table in (ENCODERS, DECODERS))
    twins = {name for name in encoders if encoders[name].axes != 2 or name.startswith("codec")}
    return [
        (e, d)
        for e, encoder in encoders.items()
        for d, decoder in decoders.items()
        if encoder.tokens == decoder.tokens
        and (e == d or (e.startswith("speech") and d == "spectral") or not {e, d} & twins)
        and decoder.reconstructs
    ]
