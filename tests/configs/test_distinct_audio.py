"""What tells the audio experiments from each other, on what is built."""

from functools import cache
from typing import Any

import pytest
import torch
from experiments import CONFIGS, on_meta, settings

from signaltok.adversaries.adversary import Adversary
from signaltok.adversaries.views import PeriodView, ScaleView, SpectrumView
from signaltok.decoders.codec import CodecDecoder
from signaltok.decoders.conv import ConvDecoder
from signaltok.decoders.spectral import SpectralDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.encoders.spectral import SpectralEncoder
from signaltok.layers.activation import SnakeLayer
from signaltok.layers.fourier import InverseStft, Stft
from signaltok.layers.group_norm import TimeGroupNorm
from signaltok.layers.lstm import Lstm
from signaltok.layers.noise import Noise
from signaltok.layers.windowed_transformer import WindowedTransformer
from signaltok.objectives.balancer import Balancer
from signaltok.quantizers.codebook.estimator import LateStart
from signaltok.quantizers.codebook.update import ExponentialMovingAverage
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.quantizers.multiscale import MultiscaleQuantizer
from signaltok.quantizers.parallel import ParallelQuantizer
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.quantizers.split import SplitQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.config.build import build

NAMES = sorted(path.stem for path in (CONFIGS / "experiment").glob("audio_*.yaml"))


@cache
def built(name: str) -> Tokenizer:
    return on_meta(name)


def adversary(name: str) -> Adversary | None:
    node = settings(name)["adversary"]
    return None if node is None else build(node)


def has(part: Any, kind: type) -> bool:
    return any(isinstance(module, kind) for module in part.modules())


def outline(name: str) -> tuple[object, ...]:
    """What makes the method: parts and what they are made of, rates and sizes of levels, terms, adversary, balance."""
    model, node = built(name), settings(name)
    kinds = tuple(
        frozenset(type(module).__name__ for module in part.modules())
        for part in (model.encoder, model.quantizer, model.decoder)
    )
    judges = None if node["adversary"] is None else str(node["adversary"]["discriminator"])
    return (
        kinds, model.encoder.channels, model.encoder.causal, model.strides, model.quantizer.codebook_sizes,
        tuple(sorted(node["objective"]["terms"])), judges, node["balance"] is None,
    )  # fmt: skip


def test_no_two_are_the_same_under_two_names() -> None:
    outlines = {name: outline(name) for name in NAMES}
    assert len(set(outlines.values())) == len(NAMES) == 10


@pytest.mark.parametrize(
    ("name", "encoder", "decoder", "causal", "rate", "strides", "sizes"),
    [
        ("audio_soundstream", CodecEncoder, CodecDecoder, True, 16000, (320,) * 8, (1024,) * 8),
        ("audio_encodec", CodecEncoder, CodecDecoder, True, 16000, (320,) * 8, (1024,) * 8),
        ("audio_encodec_stereo", CodecEncoder, CodecDecoder, False, 24000, (320,) * 8, (1024,) * 8),
        ("audio_dac", CodecEncoder, CodecDecoder, False, 16000, (320,) * 8, (1024,) * 8),
        ("audio_snac", CodecEncoder, CodecDecoder, False, 16000, (1280, 640, 320), (1024,) * 3),
        ("audio_jukebox", ConvEncoder, ConvDecoder, False, 16000, (1280, 320, 80), (512,) * 3),
        ("audio_mimi", CodecEncoder, CodecDecoder, True, 16000, (640,) * 8, (512,) * 8),
        ("audio_wavtokenizer", CodecEncoder, SpectralDecoder, False, 16000, (320,), (1024,)),
        ("audio_fsq", ConvEncoder, ConvDecoder, False, 16000, (320,) * 8, (1000,) * 8),
        ("audio_spectral", SpectralEncoder, SpectralDecoder, False, 16000, (320,) * 8, (1024,) * 8),
    ],
)
def test_parts_and_levels(name, encoder, decoder, causal, rate, strides, sizes) -> None:
    model = built(name)
    assert type(model.encoder) is encoder and type(model.decoder) is decoder
    assert model.encoder.causal is causal and model.sample_rate == rate
    # What streams must be causal on both sides; WavTokenizer's decoder never is.
    assert model.decoder.causal is causal
    assert tuple(stride for (stride,) in model.strides) == strides and model.quantizer.codebook_sizes == sizes


def test_soundstream_is_convolutions_with_residual_levels_dropped_at_random() -> None:
    model = built("audio_soundstream")
    assert isinstance(model.quantizer, ResidualQuantizer) and 0 < model.quantizer.dropout < 1
    assert tuple(model.quantizer.choices) == tuple(range(1, 9)) and model.quantizer.late_start == 0.15
    level = model.quantizer.levels[0]
    assert isinstance(level.update, ExponentialMovingAverage) and level.update.arguments["decay"] == 0.95
    assert level.revival.threshold == 0.3 and not isinstance(level.estimator, LateStart)
    assert not any(has(model, kind) for kind in (Lstm, SnakeLayer, WindowedTransformer))


def test_encodec_has_a_recurrent_layer_bandwidths_and_a_balance() -> None:
    for name in ("audio_encodec", "audio_encodec_stereo"):
        model = built(name)
        assert has(model.encoder, Lstm) and has(model.decoder, Lstm)
        assert isinstance(model.quantizer, ResidualQuantizer)
        assert model.quantizer.dropout == 0.5 and tuple(model.quantizer.choices) == (1, 2, 4, 8)
        assert isinstance(build(settings(name)["balance"]), Balancer)
    assert all(settings(name)["balance"] is None for name in NAMES if not name.startswith("audio_encodec"))


def test_the_stereo_form_has_two_channels_and_sees_both_sides() -> None:
    mono, stereo = built("audio_encodec"), built("audio_encodec_stereo")
    assert (mono.encoder.channels, stereo.encoder.channels, stereo.decoder.channels) == (1, 2, 2)
    assert settings("audio_encodec_stereo")["data"]["channels"] == 2
    # The published form's norms forget how loud a sound is: only the twin at its size has them.
    assert not has(stereo, TimeGroupNorm) and not has(mono, TimeGroupNorm)
    with pytest.raises(ValueError, match="cannot stream: CodecEncoder is not causal"):
        stereo.stream()


@pytest.mark.parametrize("name", ["audio_dac", "audio_snac", "audio_spectral"])
def test_factorised_levels_begin_as_rotations(name: str) -> None:
    quantizer = build(settings(name)["quantizer"])
    for level in quantizer.levels:
        there, back = level.project_in.weight, level.project_out.weight
        assert torch.allclose(there @ there.T, torch.eye(8), atol=1e-5) and torch.equal(back, there.T)


def test_dac_snakes_and_searches_by_angle_in_eight_dimensions() -> None:
    model = built("audio_dac")
    assert has(model.encoder, SnakeLayer) and has(model.decoder, SnakeLayer)
    assert isinstance(model.quantizer, ResidualQuantizer) and model.quantizer.factorised
    for level in model.quantizer.levels:
        assert level.by_angle and level.codebook_dim == 8 < level.latent_dim
        assert isinstance(level.update, ExponentialMovingAverage)
    assert model.quantizer.dropout == 0.5 and model.quantizer.late_start == 0


def test_snac_has_levels_at_three_rates_depthwise_layers_and_noise() -> None:
    model = built("audio_snac")
    assert isinstance(model.quantizer, MultiscaleQuantizer) and model.quantizer.scales == (1, 2, 4)
    assert model.quantizer.upsampling == "nearest" and model.quantizer.smoothing is None
    assert has(model.decoder, Noise) and not has(built("audio_dac").decoder, Noise)
    assert settings("audio_snac")["encoder"]["depthwise"] is True


def test_jukebox_has_three_codecs_that_do_not_build_on_one_another() -> None:
    quantizer = built("audio_jukebox").quantizer
    assert isinstance(quantizer, ParallelQuantizer) and len(quantizer.encoders) == len(quantizer.decoders) == 3
    assert adversary("audio_jukebox") is None
    assert set(settings("audio_jukebox")["objective"]["terms"]) == {"reconstruction", "stft", "commitment"}


def test_mimi_splits_a_semantic_level_off_and_has_windowed_transformers() -> None:
    model = built("audio_mimi")
    assert isinstance(model.quantizer, SplitQuantizer) and not model.quantizer.residual
    # No item goes on unquantized; the whole latent does, at first.
    assert model.quantizer.unquantized == 0
    assert isinstance(model.quantizer.semantic.estimator, LateStart) and model.quantizer.semantic.estimator.start == 0.3
    assert model.quantizer.acoustic.late_start == 0.3
    assert isinstance(model.quantizer.semantic, VectorQuantizer) and len(model.quantizer.acoustic.levels) == 7
    assert has(model.encoder, WindowedTransformer) and has(model.decoder, WindowedTransformer)


def test_wavtokenizer_has_one_codebook_and_no_layer_at_the_signal_s_rate_in_its_decoder() -> None:
    model = built("audio_wavtokenizer")
    assert isinstance(model.quantizer, VectorQuantizer) and isinstance(model.quantizer.estimator, LateStart)
    assert has(model.encoder, Lstm)


def test_spectral_goes_into_frames_first_and_out_of_them_last() -> None:
    model = built("audio_spectral")
    transforms = [module for module in model.modules() if isinstance(module, Stft | InverseStft)]
    assert [type(module) for module in transforms] == [Stft, InverseStft]
    assert all(module.hop == 320 for module in transforms)
    # Loud frames are told from soft ones by their length, on either side.
    assert not any(hasattr(part.trunk, "last_norm") for part in (model.encoder, model.decoder))
    assert not hasattr(model.encoder.trunk, "norm")
    assert transforms[0].compression == 0.4
    assert isinstance(model.quantizer, ResidualQuantizer) and 0 < model.quantizer.dropout < 1
    assert model.quantizer.choices == (1, 2, 4, 8)


def test_fsq_rounds_in_groups_without_a_loss_of_its_own() -> None:
    model = built("audio_fsq")
    assert isinstance(model.quantizer, GroupedQuantizer) and not model.quantizer.loss_names()


@pytest.mark.parametrize(
    ("name", "views", "reduction"),
    [
        ("audio_soundstream", {ScaleView, SpectrumView}, "mean"),
        ("audio_encodec", {SpectrumView}, "relative"),
        ("audio_encodec_stereo", {SpectrumView}, "relative"),
        ("audio_mimi", {SpectrumView}, "relative"),
        ("audio_dac", {PeriodView, SpectrumView}, "sum"),
    ],
)
def test_the_adversary_looks_through_its_own_views_at_the_end_of_the_run(name, views, reduction) -> None:
    judge = adversary(name)
    assert judge is not None
    judge.check(axes=1, channels=built(name).encoder.channels)
    assert {type(view) for member in judge.discriminator.modules() for view in getattr(member, "views", ())} == views
    assert judge.matching is not None and judge.matching.arguments["reduction"] == reduction
    assert judge.start == 0.8 and judge.warmup == 0.1
    assert {other for other in NAMES if settings(other)["adversary"] is None} == {
        "audio_snac", "audio_jukebox", "audio_wavtokenizer", "audio_fsq", "audio_spectral",
    }  # fmt: skip
