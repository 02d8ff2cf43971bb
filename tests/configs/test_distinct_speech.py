"""What distinguishes the experiments whose tokens are what is said, and their twins at published scale."""

from functools import cache
from typing import Any

import pytest
from experiments import CONFIGS, settings
from omegaconf import OmegaConf
from paper import built, parameters

from signaltok.decoders.none import NoDecoder
from signaltok.decoders.text import TextDecoder
from signaltok.encoders.speech_features import SpeechFeatures
from signaltok.encoders.speech_frames import SpeechFrames
from signaltok.metrics.error_rate import ErrorRate, SymbolErrorRate
from signaltok.objectives.masked_code import MaskedCode
from signaltok.objectives.masked_nce import MaskedNce
from signaltok.objectives.tower import TaughtTower
from signaltok.quantizers.assignment import GumbelAssignment
from signaltok.quantizers.contrastive import ContrastiveQuantizer
from signaltok.quantizers.ctc import CtcQuantizer
from signaltok.quantizers.random_projection import RandomProjectionQuantizer
from signaltok.quantizers.split import SplitQuantizer
from signaltok.training.assemble import build_tokenizer, known_metrics
from signaltok.training.config.build import build, build_each

SIZES = {"speech_characters": 28, "speech_phonemes": 39, "speech_subwords": 127}


@cache
def composed(name: str) -> dict[str, Any]:
    return settings(name)


@pytest.mark.parametrize("name", SIZES)
def test_speech_is_tokens_of_a_spelling_without_a_waveform(name):
    config = composed(name)
    tokenizer = build_tokenizer(config)
    assert isinstance(tokenizer.quantizer, CtcQuantizer) and isinstance(tokenizer.decoder, TextDecoder)
    assert tokenizer.quantizer.codebook_sizes == (SIZES[name] + 1,) and tokenizer.collapses
    assert tokenizer.encoder.stride == (640,) and tokenizer.encoder.receptive_field is not None
    build(config["objective"]).check(tokenizer.quantizer)
    assert config["callbacks"]["best_checkpoint"]["monitor"] in known_metrics(config, tokenizer)
    kinds = {type(metric) for metric in build_each(config["metrics"]).values()}
    assert kinds == ({SymbolErrorRate} if name == "speech_phonemes" else {ErrorRate})


def test_units_are_k_means_of_a_layer_that_a_recognizer_leads():
    config = composed("speech_units")
    tokenizer, objective = build_tokenizer(config), build(config["objective"])
    assert isinstance(tokenizer.encoder, SpeechFeatures) and isinstance(tokenizer.decoder, NoDecoder)
    assert tokenizer.encoder.stride == (640,) and tokenizer.quantizer.codebook_sizes == (100,)
    tower = objective.terms["tower"]
    assert isinstance(tower, TaughtTower) and tower.until == pytest.approx(1 / 3, abs=1e-3)
    assert tower.until < tokenizer.quantizer.initialization.start < 0.35  # no codes of features that still move
    objective.check(tokenizer.quantizer)
    objective.lead(tokenizer.encoder)
    assert config["callbacks"]["best_checkpoint"]["monitor"] in known_metrics(config, tokenizer)
    assert config["callbacks"]["weight_averaging"] is None


def test_wav2vec_finds_hidden_codes_of_a_product_codebook_from_context():
    config = composed("speech_wav2vec")
    tokenizer, objective = build_tokenizer(config), build(config["objective"])
    term, quantizer = objective.terms["masked_nce"], tokenizer.quantizer
    assert isinstance(term, MaskedNce) and isinstance(quantizer, ContrastiveQuantizer)
    assert isinstance(quantizer.assignment, GumbelAssignment) and quantizer.codebook_sizes == (320, 320)
    assert term.identification.ties == "mask" and term.identification.num_negatives == 100
    assert objective.weights == {"masked_nce": 1.0, "contrastive": 0.0, "diversity": 0.1}
    # A hidden span is longer than all that one latent sees: 8 cells against its own and 75 ms on either side at most.
    (reach,) = tokenizer.encoder.receptive_field
    assert tokenizer.encoder.stride == (640,) and reach <= 0.075 * 16000 < term.context.span * 640 / 2
    objective.check(quantizer)
    assert config["callbacks"]["best_checkpoint"]["monitor"] in known_metrics(config, tokenizer)


def test_bestrq_predicts_codes_that_nothing_moves():
    config = composed("speech_bestrq")
    tokenizer, objective = build_tokenizer(config), build(config["objective"])
    term, quantizer = objective.terms["masked_code"], tokenizer.quantizer
    assert isinstance(term, MaskedCode) and isinstance(quantizer, RandomProjectionQuantizer)
    assert isinstance(tokenizer.encoder, SpeechFrames) and not list(tokenizer.parameters())
    assert tokenizer.encoder.stride == (640,) and term.context.fill == "noise" and term.context.span * 40 == 400
    objective.check(quantizer)
    assert [head.out_features for head in term.heads] == [512]
    published = OmegaConf.load(CONFIGS / "quantizer" / "random_projection.yaml")
    # A latent of fewer numbers than the paper's 16 is searched in all of its own.
    for latent_dim, dim in ((320, 16), (8, 8)):
        of_latents = OmegaConf.merge({"encoder": {"latent_dim": latent_dim}}, published).quantizer
        assert (of_latents.codebook_size, of_latents.codebook_dim) == (8192, dim)


def test_the_split_codec_is_taught_at_its_own_rate():
    config = composed("speech_split")
    tokenizer, objective = build_tokenizer(config), build(config["objective"])
    distill, tower = objective.terms["distill"], objective.terms["tower"]
    assert isinstance(tokenizer.quantizer, SplitQuantizer) and len(tokenizer.quantizer.codebook_sizes) == 8
    assert tokenizer.encoder.stride == tower.encoder.stride == distill.teacher.layer.stride == (320,)
    assert distill.teacher.layer in tower._followers and not list(distill.transformer.blocks)
    objective.check(tokenizer.quantizer)


def test_quartz_net_has_the_published_number_of_parameters():
    # Kriman et al. 2019, table 1: 18.9 M; NeMo's model card of QuartzNet15x5Base-En: the same network.
    encoder = built("speech_quartz_net").encoder
    assert parameters(encoder) == 18_924_381
    assert encoder.stride == (320,)
    text = (CONFIGS / "experiment" / "paper" / "speech_quartz_net.yaml").read_text()
    assert "# published count: 18,924,381" in text


def test_conformer_small_has_the_published_13_million():
    encoder = built("speech_conformer").encoder
    layer = 2 * (176 * 704 + 704 + 704 * 176 + 176) + 5 * 2 * 176  # feed-forward layers and norms
    layer += 4 * (176 * 176 + 176) + 176 * 176 + 2 * 176  # attention, its positions and biases
    layer += 176 * 352 + 352 + 31 * 176 + 176 + 2 * 176 + 176 * 176 + 176  # convolution
    front = 9 * 176 + 176 + 9 * 176 * 176 + 176 + 20 * 176 * 176 + 176
    assert parameters(encoder) == 16 * layer + front + 176 * 29 + 29 == 12_977_741
    assert encoder.stride == (640,) and encoder.receptive_field is None
