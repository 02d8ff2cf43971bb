"""EnCodec (Défossez et al. 2022): the encodec package's state dict, or transformers' EncodecModel.

The 48 kHz form works on frames of a second that overlap by a hundredth, each divided by its own loudness, which is
sent beside the codes. A token stack has no place for either, so it is refused.
"""

import math

from signaltok.layers.activation import Elu
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.lstm import Lstm
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.published.levels import nearest_level, residual, translate_averages
from signaltok.published.model import Published
from signaltok.published.network import networks
from signaltok.published.options import Options
from signaltok.published.seanet import PACKAGE, TRANSFORMERS, SeanetNames, translate_seanet
from signaltok.published.source import Source
from signaltok.published.translation import Translation

FRAMED = (
    "is the 48 kHz form of EnCodec: it works on frames of a second that overlap, each with its own loudness beside the "
    "codes, and a token stack holds neither; import the 24 kHz form"
)
# What the package's file does not say, as encodec_model_24khz has it.
PACKAGE_OPTIONS = {
    "sampling_rate": 24_000,
    "norm_type": "weight_norm",
    "use_causal_conv": True,
    "pad_mode": "reflect",
    "compress": 2,
    "dilation_growth_rate": 2,
    "num_residual_layers": 1,
    "use_conv_shortcut": True,
}


def read(source: Source) -> Published:
    """See published.families."""
    if source.options is None:
        source = Source(source.path, source.tensors, _sizes(source))
        return _model(source, PACKAGE, "quantizer.vq.layers.{}._codebook")
    return _model(source, TRANSFORMERS, "quantizer.layers.{}.codebook")


def _sizes(source: Source) -> dict:
    """The options of a state dict without any, from the shapes of its tensors."""
    if source.has("encoder.model.0.conv.norm."):
        raise ValueError(f"{source.path} {FRAMED}")
    stem, convolution, strides = "encoder.model.0.conv.conv.weight_v", "encoder.model.{}.conv.conv.weight_v", []
    while source.has(f"encoder.model.{3 * len(strides) + 1}.block."):
        strides.append(source.size(convolution.format(3 * len(strides) + 3), 2) // 2)
    last = convolution.format(3 * len(strides) + 3)
    layers = sum(name.startswith("encoder.model.") and ".lstm.weight_ih_l" in name for name in source.tensors)
    books = sum(name.startswith("quantizer.vq.layers.") and name.endswith(".embed") for name in source.tensors)
    book = "quantizer.vq.layers.0._codebook.embed"
    return {
        **PACKAGE_OPTIONS,
        "audio_channels": source.size(stem, 1),
        "num_filters": source.size(stem, 0),
        "kernel_size": source.size(stem, 2),
        "residual_kernel_size": source.size("encoder.model.1.block.1.conv.conv.weight_v", 2),
        "last_kernel_size": source.size(last, 2),
        "hidden_size": source.size(last, 0),
        "upsampling_ratios": strides[::-1],
        "num_lstm_layers": layers,
        "codebook_size": source.size(book, 0),
        "num_quantizers": books,
    }


def _model(source: Source, names: SeanetNames, book: str) -> Published:
    options = Options(source)
    if options.values.get("normalize") or options.values.get("chunk_length_s") is not None:
        raise ValueError(f"{source.path} {FRAMED}")
    options.only("norm_type", "weight_norm")
    options.only("trim_right_ratio", 1.0)
    dim, width, strides = (
        options.number("hidden_size"),
        options.number("num_filters"),
        options.numbers("upsampling_ratios"),
    )
    options.only("codebook_dim", dim)
    units, layers = options.number("num_residual_layers"), options.number("num_lstm_layers")
    top = width * 2 ** len(strides)
    kernel = options.number("last_kernel_size")
    sample_rate, levels = options.number("sampling_rate"), _levels(options, math.prod(strides))
    encoder, decoder = networks(
        channels=options.number("audio_channels"),
        width=width,
        top=top,
        strides=strides[::-1],
        kernel=options.number("kernel_size"),
        last_kernels=(kernel, kernel),
        latent_dim=dim,
        units=ResidualUnits(
            kernel=options.number("residual_kernel_size"),
            dilations=[options.number("dilation_growth_rate") ** unit for unit in range(units)],
            compress=options.number("compress"),
            shortcut=bool(options.get("use_conv_shortcut")),
        ),
        activation=Elu(),
        convolutions=Convolutions(
            padding="causal" if options.get("use_causal_conv") else "same", mode=options.get("pad_mode"), norm=None
        ),
        bottleneck=([Lstm(width=top, layers=layers)], [Lstm(width=top, layers=layers)]),
        latent=([], []),
        last_activation=True,
        depthwise=False,
        noise=False,
        final_tanh=False,
        completion="layers",
    )
    quantizer = residual(nearest_level(dim, options.number("codebook_size")), levels)

    def translate(translation: Translation) -> None:
        translate_seanet(translation, names, len(strides), units, lstm=True)
        for level in range(levels):
            ours, theirs = f"quantizer.levels.{level}", book.format(level)
            translation.put(f"{ours}.table.vectors", translation.take(f"{theirs}.embed"), f"{theirs}.embed")
            sums, counts = (translation.take(f"{theirs}.{name}") for name in ("embed_avg", "cluster_size"))
            translate_averages(translation, ours, theirs, sums, counts)
        translation.forget(".inited")

    return Published(encoder, quantizer, decoder, sample_rate, source, translate)


def _levels(options: Options, stride: int) -> int:
    """How many codebooks: those of the highest bandwidth, in thousands of bits a second."""
    if "num_quantizers" in options.values:
        return options.number("num_quantizers")
    bandwidths = options.get("target_bandwidths")
    if not isinstance(bandwidths, list | tuple) or not bandwidths:
        raise options.refuse("target_bandwidths", "a list of bandwidths")
    bits = math.ceil(math.log2(options.number("codebook_size")))
    return max(1, int(1000 * bandwidths[-1] // (math.ceil(options.number("sampling_rate") / stride) * bits)))
