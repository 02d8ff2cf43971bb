"""What distinguishes the experiments of pictures beside texts, and their twins at the papers' scale."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from paper import built, parameters

from signaltok.decoders.none import NoDecoder
from signaltok.encoders.imagenet import ImageNetEncoder
from signaltok.objectives.align import Align
from signaltok.objectives.contrast import SigmoidContrast, SoftmaxContrast
from signaltok.objectives.towers import ByteTower, NgramTower
from signaltok.quantizers.codebook.estimator import LateStart
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.quantizers.residual import ResidualQuantizer
from signaltok.training.assemble import build_tokenizer, known_metrics
from signaltok.training.config.build import build
from signaltok.training.config.resolve import plain, prepare

CONFIGS = Path(__file__).parents[2] / "configs"


def composed(*overrides: str) -> dict:
    prepare()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return plain(compose("train", overrides=["paths.output_dir=run", *overrides]))


def test_each_experiment_is_its_method():
    embedding, codes = (composed(f"experiment={name}") for name in ("clip_emoji", "clip_codes"))
    for settings in (embedding, codes):
        tokenizer, objective = build_tokenizer(settings), build(settings["objective"])
        # One vector a picture, in the space of the texts, and nothing that draws it again.
        assert tokenizer.encoder.tokens == 1 and tokenizer.encoder.spherical
        # Pictures through a locked network: what learns of the encoder is the way from its features to the embedding.
        assert isinstance(tokenizer.encoder.features, ImageNetEncoder)
        assert not list(tokenizer.encoder.features.parameters()) and list(tokenizer.encoder.parameters())
        assert isinstance(tokenizer.decoder, NoDecoder) and "reconstruction" not in objective.terms
        term = objective.alignment
        assert isinstance(term, Align) and term.tap == "post" and term.head is None and term.width == 128
        assert isinstance(term.contrast, SoftmaxContrast) and isinstance(term.tower, NgramTower)
        assert term.shared_words == 1.5
        assert settings["callbacks"]["best_checkpoint"]["monitor"] in known_metrics(settings, tokenizer)
    assert isinstance(build_tokenizer(embedding).quantizer, IdentityQuantizer)
    quantizer = build_tokenizer(codes).quantizer
    assert isinstance(quantizer, ResidualQuantizer) and quantizer.codebook_sizes == (256,) * 8  # 64 bits a picture
    assert quantizer.late_start == 0.8
    quantizer = build_tokenizer(composed("experiment=clip_codes", "quantizer=product_late")).quantizer
    assert isinstance(quantizer, GroupedQuantizer) and quantizer.codebook_sizes == (256,) * 8
    assert all(isinstance(group.estimator, LateStart) and group.estimator.start == 0.8 for group in quantizer.groups)
    assert {"recall_codes", "recall_post"} <= codes["metrics"].keys() - embedding["metrics"].keys()


def test_other_towers_and_losses_are_a_choice():
    sigmoid, text = (build(composed(f"objective={name}")["objective"]) for name in ("align_sigmoid", "align_bytes"))
    assert isinstance(sigmoid.alignment.contrast, SigmoidContrast) and sigmoid.alignment.contrast.bias.item() == -10
    assert sigmoid.alignment.contrast.scale().item() == pytest.approx(10)
    assert isinstance(text.alignment.tower, ByteTower)


def test_the_towers_of_vit_b_32():
    tokenizer = built("clip_emoji")
    # Radford et al. 2021, table 20: width 768, 12 layers, 12 heads, patches of 32, 512 channels in common.
    blocks = 12 * (12 * 768**2 + 13 * 768)
    assert blocks == parameters(tokenizer.encoder.features.transformer.blocks) == 85_054_464
    assert tokenizer.encoder.stride == (32, 32) and tokenizer.encoder.latent_dim == 512
    with torch.device("meta"):
        tower = build(composed("experiment=paper/clip_emoji")["objective"]).alignment.tower
    # The text's: width 512, 12 layers, 8 heads, 77 places.
    assert parameters(tower.transformer.blocks) == 12 * (12 * 512**2 + 13 * 512) == 37_828_608
    assert tower.context == 77


def test_the_books_of_unitok():
    quantizer = built("clip_codes").quantizer
    assert quantizer.codebook_sizes == (4096,) * 8 and quantizer.inner_dim == 64
