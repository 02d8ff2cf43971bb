"""Mimi (Défossez et al. 2024): transformers' MimiModel, or the weights that its authors release."""

import math

import torch

from signaltok.layers.activation import Elu
from signaltok.layers.convolution import Convolution, TransposedConvolution
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.layers.windowed_transformer import WindowedTransformer
from signaltok.published.kyutai import as_transformers
from signaltok.published.levels import EPSILON, nearest_level, residual, translate_averages
from signaltok.published.model import Published
from signaltok.published.network import networks
from signaltok.published.options import Options
from signaltok.published.seanet import TRANSFORMERS, translate_seanet
from signaltok.published.source import Source
from signaltok.published.translation import Translation
from signaltok.quantizers.split import SplitQuantizer

# What each of our codecs of this family is built with, and cannot be built without.
FIXED = {
    "use_causal_conv": True,
    "trim_right_ratio": 1.0,
    "hidden_act": "gelu",
    "attention_bias": False,
    "norm_eps": 1e-5,
    "num_semantic_quantizers": 1,
}
ROTATION = 10_000.0


def read(source: Source) -> Published:
    """See published.families."""
    if source.options is None:
        source = as_transformers(source)
    options = Options(source)
    for name, value in FIXED.items():
        options.only(name, value)
    dim, heads, width = (options.number(name) for name in ("hidden_size", "num_attention_heads", "num_filters"))
    options.only("num_key_value_heads", heads)
    options.only("upsample_groups", dim)
    if options.values.get("head_dim") is not None:
        options.only("head_dim", dim // heads)
    _check_rotation(options)
    inner = options.number("vector_quantization_hidden_dimension")
    options.only("codebook_dim", inner)
    strides, depth, units = (
        options.numbers("upsampling_ratios"),
        options.number("num_hidden_layers"),
        options.number("num_residual_layers"),
    )
    resampling = _resampling(dim, _last_stride(options, math.prod(strides)))
    transformers = [
        WindowedTransformer(
            width=dim,
            depth=depth,
            heads=heads,
            inner=options.number("intermediate_size"),
            window=options.number("sliding_window"),
            layer_scale=float(options.get("layer_scale_initial_scale")),
        )
        for _ in range(2)
    ]
    kernel = options.number("last_kernel_size")
    encoder, decoder = networks(
        channels=options.number("audio_channels"),
        width=width,
        top=width * 2 ** len(strides),
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
        convolutions=Convolutions(padding="causal", mode=options.get("pad_mode"), norm=None),
        bottleneck=([], []),
        latent=([transformers[0], resampling[0]], [resampling[1], transformers[1]]),
        last_activation=True,
        depthwise=False,
        noise=False,
        final_tanh=False,
        completion="layers",
    )
    size, levels = options.number("codebook_size"), options.number("num_quantizers")
    if levels < 2:
        raise options.refuse("num_quantizers", "at least 2: a semantic and an acoustic one")
    quantizer = SplitQuantizer(
        latent_dim=dim,
        semantic=nearest_level(inner, size),
        acoustic=residual(nearest_level(inner, size), levels - 1),
        residual=False,
        unquantized=0.0,
        orthogonal=False,
    )

    def translate(translation: Translation) -> None:
        translate_seanet(translation, TRANSFORMERS, len(strides), units, lstm=False)
        for block in range(depth):
            for part, latent in (("encoder", 0), ("decoder", 1)):
                ours = f"{part}.trunk.latent{latent}.blocks.{block}"
                _translate_block(translation, ours, f"{part}_transformer.layers.{block}")
        translation.convolution("encoder.trunk.latent1", "downsample.conv")
        translation.convolution("decoder.trunk.latent0", "upsample.conv")
        _translate_quantizer(translation, levels)

    return Published(encoder, quantizer, decoder, options.number("sampling_rate"), source, translate)


def _check_rotation(options: Options) -> None:
    """Rotary positions as transformers writes them: since version 5 within rope_parameters."""
    options.only("rope_theta", ROTATION)
    rotation = options.values.get("rope_parameters") or {}
    if rotation.get("rope_theta", ROTATION) != ROTATION or rotation.get("rope_type", "default") != "default":
        raise options.refuse("rope_parameters", f"the default ones with rope_theta {ROTATION}")


def _last_stride(options: Options, hop: int) -> int:
    """The stride after the Transformer, from its rate of frames; 2 where no rate is given."""
    rate = options.number("sampling_rate")
    frames = options.values.get("frame_rate") or options.values.get("_frame_rate") or rate / (2 * hop)
    stride = int(math.ceil(rate / hop) / frames)
    if stride < 2:
        raise options.refuse("frame_rate", "rates at most half that of the convolutions")
    return stride


def _resampling(dim: int, stride: int) -> tuple[Convolution, TransposedConvolution]:
    """The last convolution of the encoder, the first of the decoder."""
    down = Convolution(
        axes=1,
        inputs=dim,
        outputs=dim,
        kernel=2 * stride,
        stride=stride,
        dilation=1,
        groups=1,
        bias=False,
        padding="causal",
        mode="replicate",
        norm=None,
    )
    up = TransposedConvolution(
        axes=1,
        inputs=dim,
        outputs=dim,
        kernel=2 * stride,
        stride=stride,
        groups=dim,
        bias=False,
        padding="causal",
        norm=None,
    )
    return down, up


def _translate_block(translation: Translation, ours: str, theirs: str) -> None:
    translation.same(f"{ours}.norm_attention", f"{theirs}.input_layernorm")
    translation.same(f"{ours}.norm_mlp", f"{theirs}.post_attention_layernorm")
    rows = [translation.take(f"{theirs}.self_attn.{name}_proj.weight") for name in "qkv"]
    translation.put(f"{ours}.query_key_value.weight", torch.cat(rows), f"{theirs}.self_attn")
    for own, name in (
        ("project.weight", "self_attn.o_proj.weight"),
        ("mlp_in.weight", "mlp.fc1.weight"),
        ("mlp_out.weight", "mlp.fc2.weight"),
        ("scale_attention", "self_attn_layer_scale.scale"),
        ("scale_mlp", "mlp_layer_scale.scale"),
    ):
        translation.put(f"{ours}.{own}", translation.take(f"{theirs}.{name}"), f"{theirs}.{name}")


def _translate_quantizer(translation: Translation, levels: int) -> None:
    for kind, count in (("semantic", 1), ("acoustic", levels - 1)):
        theirs = f"quantizer.{kind}_residual_vector_quantizer"
        translation.pointwise(f"quantizer.to_{kind}", f"{theirs}.input_proj")
        translation.pointwise(f"quantizer.from_{kind}", f"{theirs}.output_proj")
        for level in range(count):
            own = f"quantizer.{kind}" + (f".levels.{level}" if kind == "acoustic" else "")
            book = f"{theirs}.layers.{level}.codebook"
            sums, counts = (translation.take(f"{book}.{name}") for name in ("embed_sum", "cluster_usage"))
            # Vectors are kept as sums over counts there, and divided when they are used.
            translation.put(f"{own}.table.vectors", sums / counts.clamp_min(EPSILON)[:, None], f"{book}.embed_sum")
            translate_averages(translation, own, book, sums, counts)
    translation.forget(".codebook.initialized")
