"""What tells the experiments with large learned books from each other and from the plain VQ-VAE."""

import pytest
from experiments import on_meta, settings

from signaltok.artifact.describe import describe
from signaltok.artifact.layout import TRAINING_ONLY
from signaltok.decoders.logit_laplace import LogitLaplaceDecoder
from signaltok.encoders.vit import ViTEncoder
from signaltok.objectives.logit_laplace import LogitLaplaceLikelihood
from signaltok.objectives.objective import Objective
from signaltok.quantizers.assignment import NearestAssignment
from signaltok.quantizers.chart import Stereographic
from signaltok.quantizers.codebook.projected import Projected
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.contrastive import ContrastiveQuantizer
from signaltok.quantizers.gumbel import GumbelQuantizer
from signaltok.quantizers.index_propagation import IndexPropagationQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.config.build import build


def experiment(name: str) -> tuple[Tokenizer, Objective]:
    return on_meta(name), build(settings(name)["objective"])


def test_image_dvae_is_categories_with_a_likelihood() -> None:
    tokenizer, objective = experiment("image_dvae")
    assert isinstance(tokenizer.quantizer, GumbelQuantizer) and isinstance(tokenizer.decoder, LogitLaplaceDecoder)
    assert isinstance(objective.terms["reconstruction"], LogitLaplaceLikelihood)
    assert objective.weights["kl"] > 0
    assert tokenizer.quantizer.temperature_end < tokenizer.quantizer.temperature_start
    assert tokenizer.quantizer.initialization is not None and tokenizer.quantizer.late_start > 0


def test_image_ibq_learns_all_codes_through_the_choice() -> None:
    tokenizer, objective = experiment("image_ibq")
    assert isinstance(tokenizer.quantizer, IndexPropagationQuantizer)
    assert {"index", "codebook", "commitment"} < objective.weights.keys()


def test_image_simvq_has_a_frozen_book() -> None:
    tokenizer, objective = experiment("image_simvq")
    assert isinstance(tokenizer.quantizer, VectorQuantizer) and isinstance(tokenizer.quantizer.update, Projected)
    assert tokenizer.quantizer.revival is None
    assert "codebook" in objective.weights


def test_image_vitvqgan_has_a_transformer_and_8192_low_unit_codes() -> None:
    tokenizer, _ = experiment("image_vitvqgan")
    assert isinstance(tokenizer.encoder, ViTEncoder) and isinstance(tokenizer.quantizer, VectorQuantizer)
    assert tokenizer.quantizer.spherical and tokenizer.quantizer.codebook_sizes == (8192,)
    assert tokenizer.quantizer.codebook_dim <= 8 < tokenizer.encoder.latent_dim


@pytest.mark.parametrize("name", ["image_ibq", "image_simvq", "image_vqvae"])
def test_the_commitment_weight_is_on_the_latent_s_side(name: str) -> None:
    # Elsewhere beta stands on the codebook's term by default. Here the vectors move with weight one.
    _, objective = experiment(name)
    assert objective.weights["commitment"] == 0.25
    assert objective.weights.get("codebook", 1.0) == 1.0


def test_the_image_experiments_share_an_operating_point() -> None:
    for name in ("image_dvae", "image_ibq", "image_simvq"):
        tokenizer, _ = experiment(name)
        assert tokenizer.encoder.stride == (8, 8) and tokenizer.quantizer.codebook_sizes == (1024,)


def test_image_contrastive_is_the_vq_vae_with_codes_that_tell_positions_apart() -> None:
    (ours, objective), (vqvae, plain_objective) = experiment("image_contrastive"), experiment("image_vqvae")
    quantizer = ours.quantizer
    assert isinstance(quantizer, ContrastiveQuantizer) and isinstance(quantizer.assignment, NearestAssignment)
    assert quantizer.anchor == "self" and quantizer.identification.ties == "keep"
    # The same bits, the same networks, the same terms but for the quantizers' own.
    assert quantizer.codebook_sizes == vqvae.quantizer.codebook_sizes and ours.strides == vqvae.strides
    for part in ("encoder", "decoder"):
        assert describe(getattr(ours, part)) == describe(getattr(vqvae, part))
    both = ("commitment", "codebook")
    shared = {name: weight for name, weight in plain_objective.weights.items() if name not in both}
    own = {name: weight for name, weight in objective.weights.items() if name in ("contrastive", "diversity", *both)}
    assert objective.weights == shared | own and len(own) == 4
    # Codes stay near what they stand for, first of all: identification alone would spread them over the sphere.
    assert 0 < 100 * own["contrastive"] < own["commitment"] <= own["codebook"]
    assert isinstance(quantizer.chart, Stereographic) and quantizer.initialization.start == 0
    numbers = [
        sum(value.numel() for name, value in model.state_dict().items() if learned(name)) for model in (ours, vqvae)
    ]
    assert abs(numbers[0] / numbers[1] - 1) < 0.01, numbers


def learned(name: str) -> bool:
    """What the exported folder holds of what was learned: averages of a codebook are no parameters, but learned."""
    return not name.endswith((*TRAINING_ONLY, "sums", "counts", "seed", "steps", "initialized"))
