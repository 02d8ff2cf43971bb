"""DAC (Kumar et al. 2023): the release of descript-audio-codec, or transformers' DacModel."""

from signaltok.published.levels import factorised_level, residual, translate_factorised
from signaltok.published.model import Published
from signaltok.published.options import Options
from signaltok.published.snake import DECODER, DILATIONS, ENCODER, snake_networks, translate_packaged, translate_unit
from signaltok.published.source import Source
from signaltok.published.translation import Translation


def read(source: Source) -> Published:
    """See published.families."""
    options = Options(source)
    public = "model_type" in options.values
    encoder_width, decoder_width, rates, rate = (
        ("encoder_hidden_size", "decoder_hidden_size", "downsampling_ratios", "sampling_rate")
        if public
        else ("encoder_dim", "decoder_dim", "encoder_rates", "sample_rate")
    )
    width, strides = options.number(encoder_width), options.numbers(rates)
    options.mirrored("upsampling_ratios" if public else "decoder_rates", strides)
    coarsest = width * 2 ** len(strides)
    if public:
        options.only("hidden_size", coarsest)
    latent_dim = coarsest if public else options.values.get("latent_dim") or coarsest
    encoder, decoder = snake_networks(
        width=width,
        top=options.number(decoder_width),
        strides=strides,
        last_kernel=3,
        latent_dim=latent_dim,
        bottleneck=([], []),
        last_activation=True,
        depthwise=False,
        noise=False,
    )
    levels = options.number("n_codebooks")
    level = factorised_level(latent_dim, options.number("codebook_size"), options.number("codebook_dim"))

    def translate(translation: Translation) -> None:
        (_translate_public if public else translate_packaged)(translation, len(strides))
        for number in range(levels):
            translate_factorised(translation, f"quantizer.levels.{number}", f"quantizer.quantizers.{number}")

    return Published(encoder, residual(level, levels), decoder, options.number(rate), source, translate)


def _translate_public(translation: Translation, stages: int) -> None:
    """Both halves as transformers names them."""
    for ours, theirs, resample in ((ENCODER, "encoder", "conv1"), (DECODER, "decoder", "conv_t1")):
        translation.convolution(f"{ours}.stem", f"{theirs}.conv1")
        for stage in range(stages):
            own, other = f"{ours}.stage{stage}", f"{theirs}.block.{stage}"
            for unit in range(len(DILATIONS)):
                names = [f"{other}.res_unit{unit + 1}.{name}" for name in ("snake1", "conv1", "snake2", "conv2")]
                translate_unit(translation, f"{own}.unit{unit}", names)
            translation.slope(f"{own}.activation", f"{other}.snake1")
            translation.convolution(f"{own}.resample", f"{other}.{resample}")
        translation.slope(f"{ours}.activation", f"{theirs}.snake1")
        translation.convolution(f"{ours}.project", f"{theirs}.conv2")
