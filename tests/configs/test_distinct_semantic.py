"""What distinguishes the experiments whose codes learn what a picture is, and their twins at the papers' scale."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from paper import parameters

from signaltok.decoders.none import NoDecoder
from signaltok.objectives.align import Align
from signaltok.objectives.distill import Distill
from signaltok.objectives.gradient_norm import GradientNorm
from signaltok.objectives.teacher import FrozenTeacher, OwnTeacher
from signaltok.objectives.tower import TaughtTower
from signaltok.quantizers.codebook.estimator import LateStart
from signaltok.quantizers.codebook.update import ExponentialMovingAverage, Gradient
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.assemble import build_tokenizer, known_metrics
from signaltok.training.config.build import build
from signaltok.training.experiment import built_on_meta, composed_experiment
from signaltok.types.token_stack import grid_size

CONFIGS = Path(__file__).parents[2] / "configs"


@cache
def composed(name: str) -> dict[str, Any]:
    return composed_experiment(CONFIGS, name)


def built(name: str) -> Tokenizer:
    return built_on_meta(composed(f"paper/{name}"))


def test_unitok_has_a_product_codebook_beside_texts_and_a_picture_that_is_drawn_again():
    settings = composed("unitok_small")
    tokenizer, objective = build_tokenizer(settings), build(settings["objective"])
    quantizer, term = tokenizer.quantizer, objective.alignment
    assert isinstance(quantizer, GroupedQuantizer) and quantizer.codebook_sizes == (256,) * 8
    for group in quantizer.groups:
        assert isinstance(group.update, Gradient) and group.spherical and group.latent_dim == group.codebook_dim == 8
    # The tokens are aligned, by a head of the term's own, while the decoder learns from the same ones.
    assert isinstance(term, Align) and term.tap == "post" and term.head is not None
    assert tokenizer.decoder.reconstructs and {"reconstruction", "structure"} <= set(objective.terms)
    balance = build(settings["balance"])
    assert isinstance(balance, GradientNorm) and balance.terms == ("align",)
    assert (balance.decay, balance.least, balance.most) == (0.99, 0.1, 10.0)
    balance.watch(objective.weights)
    assert settings["callbacks"]["best_checkpoint"]["monitor"] in known_metrics(settings, tokenizer)


def test_vq_kd_has_one_codebook_and_a_teacher_of_its_own_and_draws_nothing():
    settings = composed("vqkd_small")
    tokenizer, objective = build_tokenizer(settings), build(settings["objective"])
    objective.check(tokenizer.quantizer)
    assert isinstance(tokenizer.decoder, NoDecoder) and settings["balance"] is None
    assert isinstance(tokenizer.quantizer, VectorQuantizer) and tokenizer.quantizer.spherical
    assert tokenizer.quantizer.codebook_dim == 32 and isinstance(tokenizer.quantizer.update, ExponentialMovingAverage)
    assert isinstance(tokenizer.quantizer.estimator, LateStart)
    distill, tower = objective.terms["distill"], objective.terms["tower"]
    assert isinstance(distill, Distill) and distill.per == "position"
    assert isinstance(distill.teacher, OwnTeacher) and distill.teacher._towers == (tower,)
    assert isinstance(tower, TaughtTower) and tower.until == pytest.approx(1 / 3, abs=1e-3)
    assert tokenizer.quantizer.estimator.start == tower.until, "codes begin where the teacher stands still"
    assert tower.encoder.stride == tokenizer.encoder.stride
    assert isinstance(tower.term, Align) and tower.term.tap == "pre"
    # The texts are the tower's; the tokenizer itself is compared with nothing.
    assert objective.alignment is None and objective.weights["commitment"] == 1.0
    assert settings["callbacks"]["best_checkpoint"]["monitor"] in known_metrics(settings, tokenizer)
    with pytest.raises(ValueError, match="only encodes"):
        tokenizer.decode(tokenizer.encode(torch.zeros(1, 3, 32, 32)))


def test_a_frozen_teacher_is_asked_for():
    settings = composed("paper/vqkd_small")
    with pytest.raises(ValueError, match="a frozen teacher needs a path"):
        build(settings["objective"])
    assert settings["objective"]["terms"]["distill"]["teacher"]["_target_"].endswith(FrozenTeacher.__name__)


def test_the_sizes_of_unitok():
    tokenizer = built("unitok_small")
    # 8 codebooks of 4,096 codes, each over 8 of 64 channels; 256 pixels become 16 x 16 cells.
    assert tokenizer.quantizer.codebook_sizes == (4096,) * 8
    assert {tuple(vectors.searched.shape) for vectors in tokenizer.quantizer.code_vectors()} == {(4096, 8)}
    assert grid_size((256, 256), tokenizer.encoder.stride) == (16, 16) and tokenizer.encoder.latent_dim == 64
    for part in (tokenizer.encoder, tokenizer.decoder):
        assert parameters(part.transformer.blocks) == 24 * (12 * 1024**2 + 13 * 1024)


def test_the_sizes_of_vq_kd():
    tokenizer = built("vqkd_small")
    assert tuple(tokenizer.quantizer.table.vectors.shape) == (8192, 32) and tokenizer.quantizer.spherical
    assert grid_size((224, 224), tokenizer.encoder.stride) == (14, 14)
    assert parameters(tokenizer.encoder.transformer.blocks) == 12 * (12 * 768**2 + 13 * 768) == 85_054_464
    term = composed("paper/vqkd_small")["objective"]["terms"]["distill"]
    assert (term["depth"], term["width"]) == (3, 768)
