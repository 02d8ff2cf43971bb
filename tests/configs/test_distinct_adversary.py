"""What tells image_vqgan from the plain VQ-VAE."""

from experiments import CONFIGS, on_meta, settings

from signaltok.adversaries.losses import Hinge
from signaltok.adversaries.weights import AdaptiveGradientWeight
from signaltok.objectives.perceptual import EfficientNetPerceptual
from signaltok.objectives.pixel import AbsoluteError
from signaltok.training.config.build import build


def test_image_vqgan_has_an_adversary_and_a_perceptual_term() -> None:
    objective, adversary = (build(settings("image_vqgan")[group]) for group in ("objective", "adversary"))
    assert isinstance(objective.terms["reconstruction"], AbsoluteError)
    assert isinstance(objective.terms["perceptual"], EfficientNetPerceptual)
    assert isinstance(adversary.loss, Hinge) and isinstance(adversary.weight, AdaptiveGradientWeight)
    assert 0 < adversary.start < 1 and adversary.trains(adversary.start - adversary.warmup)
    one, other = on_meta("image_vqgan"), on_meta("image_vqvae")
    assert one.quantizer.codebook_sizes == other.quantizer.codebook_sizes == (1024,)
    assert one.encoder.stride == other.encoder.stride == (8, 8)


def test_every_other_experiment_of_pictures_has_none() -> None:
    for path in (CONFIGS / "experiment").glob("image_*.yaml"):
        if path.stem != "image_vqgan":
            assert settings(path.stem)["adversary"] is None, path.stem
