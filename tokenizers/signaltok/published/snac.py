"""SNAC (Siuzdak et al. 2024): the snac package's pytorch_model.bin with its config.json."""

from signaltok.layers.local_attention import LocalAttention
from signaltok.published.levels import factorised_level, translate_factorised
from signaltok.published.model import Published
from signaltok.published.options import Options
from signaltok.published.snake import snake_networks, translate_packaged
from signaltok.published.source import Source
from signaltok.published.translation import Translation
from signaltok.quantizers.multiscale import MultiscaleQuantizer

HEAD_DIM = 64  # the package's own, which no option sets


def read(source: Source) -> Published:
    """See published.families."""
    options = Options(source)
    width, strides, top = options.number("encoder_dim"), options.numbers("encoder_rates"), options.number("decoder_dim")
    options.mirrored("decoder_rates", strides)
    coarsest = width * 2 ** len(strides)
    if options.values.get("latent_dim") is not None:
        options.only("latent_dim", coarsest)
    window = None if options.get("attn_window_size") is None else options.number("attn_window_size")
    encoder, decoder = snake_networks(
        width=width,
        top=top,
        strides=strides,
        last_kernel=7,
        latent_dim=coarsest,
        bottleneck=(_attention(coarsest, window), _attention(top, window)),
        last_activation=False,
        depthwise=bool(options.get("depthwise")),
        noise=bool(options.get("noise")),
    )
    quantizer = MultiscaleQuantizer(
        latent_dim=coarsest,
        scales=_scales(options),
        level=factorised_level(coarsest, options.number("codebook_size"), options.number("codebook_dim")),
        shared=False,
        upsampling="nearest",
        smoothing=None,
        orthogonal=False,
    )

    def translate(translation: Translation) -> None:
        translate_packaged(translation, len(strides))
        for number in range(len(quantizer.scales)):
            translate_factorised(translation, f"quantizer.levels.{number}", f"quantizer.quantizers.{number}")
        translation.forget(".rel_pos.inv_freq")  # the rates of the rotation, which the width of a head gives

    return Published(encoder, quantizer, decoder, options.number("sampling_rate"), source, translate)


def _attention(width: int, window: int | None) -> list[LocalAttention]:
    return [] if window is None else [LocalAttention(width=width, window=window, head_dim=HEAD_DIM)]


def _scales(options: Options) -> list[int]:
    """Positions of each level for every stride of the coarsest."""
    strides = options.numbers("vq_strides")
    coarsest = strides[0]
    if strides != sorted(set(strides), reverse=True) or strides[-1] != 1 or any(coarsest % n for n in strides):
        raise options.refuse("vq_strides", "strides that fall to 1 and divide the first")
    return [coarsest // stride for stride in strides]
