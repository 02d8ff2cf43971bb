"""The encoders and decoders under the laws: one row each, a tiny instance. A new part adds one line here."""

from collections.abc import Callable

from quantizer_table import DIM

from signaltok.decoders.codec import CodecDecoder
from signaltok.decoders.conv import ConvDecoder
from signaltok.decoders.frames import FramesDecoder
from signaltok.decoders.logit_laplace import LogitLaplaceDecoder
from signaltok.decoders.none import NoDecoder
from signaltok.decoders.query import QueryDecoder
from signaltok.decoders.spectral import SpectralDecoder
from signaltok.decoders.staged_video import StagedVideoDecoder
from signaltok.decoders.text import TextDecoder
from signaltok.decoders.video import VideoDecoder
from signaltok.decoders.vit import ViTDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.encoders.frames import FramesEncoder
from signaltok.encoders.imagenet import ImageNetEncoder
from signaltok.encoders.pooled import PooledEncoder
from signaltok.encoders.query import QueryEncoder
from signaltok.encoders.spectral import SpectralEncoder
from signaltok.encoders.speech import SpeechEncoder
from signaltok.encoders.speech_features import SpeechFeatures
from signaltok.encoders.speech_frames import SpeechFrames
from signaltok.encoders.staged_video import StagedVideoEncoder
from signaltok.encoders.video import VideoEncoder
from signaltok.encoders.vit import ViTEncoder
from signaltok.layers.activation import Elu, Snake
from signaltok.layers.convolution import Convolution, TransposedConvolution
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.cosmos import Cosmos
from signaltok.layers.front import Front, Haar, Patches
from signaltok.layers.local_attention import LocalAttention
from signaltok.layers.lstm import Lstm
from signaltok.layers.residual_convolutions import ResidualConvolutions
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.layers.tail import TailDrop
from signaltok.layers.video_residual import VideoDesign
from signaltok.layers.vidtok import VidTok
from signaltok.layers.vqgan import Vqgan
from signaltok.layers.windowed_transformer import WindowedTransformer
from signaltok.parts import Decoder, Encoder
from signaltok.text.spelling import CharacterSpelling

STRIDE = 4
TOKENS = 6

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


def staged(design: VideoDesign, front: Front, widths: list[int], strides: list[list[int]]) -> dict:
    """The same of one whose layers are of a published design."""
    return {
        "axes": 3, "channels": 3, "front": front, "design": design, "widths": widths, "strides": strides, "depth": 1,
        "latent_dim": DIM,
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
    "pooled imagenet": lambda: PooledEncoder(
        axes=2,
        features=ImageNetEncoder(channels=3, stride=STRIDE, blocks=[4], momentum=0.1),
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
    "spectral": lambda: SpectralEncoder(**SPECTRAL, axes=1, compression=0.3, floor=1e-3, norms=True, gain=1.0),
    "spectral plain": lambda: SpectralEncoder(**SPECTRAL, axes=1, compression=0.3, floor=1e-3, norms=False, gain=2.5),
    "frames": lambda: FramesEncoder(axes=3, channels=3, latent_dim=DIM, pictures=ENCODERS["conv"]()),
    "video": lambda: VideoEncoder(**video(Patches(time=1, space=2), [8, 12], [2, 2])),
    "video haar": lambda: VideoEncoder(**video(Haar(levels=1), [8, 12], [1, 2])),
    "video vidtok": lambda: StagedVideoEncoder(
        **staged(VidTok(), Patches(time=1, space=2), [8, 12], [[2, 2], [2, 1]]), stem_width=6
    ),
    "video cosmos": lambda: StagedVideoEncoder(
        **staged(Cosmos(window=2), Haar(levels=1), [8, 12], [[2, 2], [1, 1]]), stem_width=6
    ),
    "video vqgan": lambda: StagedVideoEncoder(
        **staged(Vqgan(groups=2), Patches(time=1, space=1), [8, 12], [[1, 2], [1, 2]]), stem_width=6
    ),
    "speech": lambda: SpeechEncoder(**SPEECH, augmentation=None, trunk=speech_trunk(8), width=8),
    "speech frames": lambda: SpeechFrames(**SPEECH | {"bins": DIM // 2}, frames=2),
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
    "spectral": lambda: SpectralDecoder(**SPECTRAL, final_norm=True, context=None),
    "spectral plain": lambda: SpectralDecoder(**SPECTRAL, final_norm=False, context=None),
    "text": lambda: TextDecoder(
        axes=1, channels=3, stride=STRIDE, latent_dim=DIM, spelling=CharacterSpelling(symbols="abc")
    ),
    "frames": lambda: FramesDecoder(axes=3, channels=3, latent_dim=DIM, pictures=DECODERS["conv"]()),
    "video": lambda: VideoDecoder(**video(Patches(time=1, space=2), [12, 8], [2, 2])),
    "video haar": lambda: VideoDecoder(**video(Haar(levels=1), [12, 8], [1, 2])),
    "video vidtok": lambda: StagedVideoDecoder(**staged(VidTok(), Patches(time=1, space=2), [12, 8], [[2, 1], [2, 2]])),
    "video cosmos": lambda: StagedVideoDecoder(**staged(Cosmos(window=2), Haar(levels=1), [12, 8], [[1, 1], [2, 2]])),
    "video vqgan": lambda: StagedVideoDecoder(
        **staged(Vqgan(groups=2), Patches(time=1, space=1), [12, 8], [[1, 2], [1, 2]])
    ),
}


def pairs() -> list[tuple[str, str]]:
    """Encoders and decoders that go together: a grid with a grid, a sequence of tokens with a sequence; twins alone of
    those over one axis, of codecs and of videos; a plain decoder is another of the same twin; speech, which has no
    twin, goes with spectral. Those that give no signal (tests/decoders/test_none.py, tests/tokenizer/test_text.py) are
    left out."""
    encoders, decoders = ({name: build() for name, build in table.items()} for table in (ENCODERS, DECODERS))
    parts = [*encoders.items(), *decoders.items()]
    twins = {name for name, part in parts if part.axes != 2 or name.startswith("codec")}
    return [
        (e, d)
        for e, encoder in encoders.items()
        for d, decoder in decoders.items()
        if encoder.tokens == decoder.tokens
        and (d in (e, f"{e} plain") or (e.startswith("speech") and d == "spectral") or not {e, d} & twins)
        and decoder.reconstructs
    ]
