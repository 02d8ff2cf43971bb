"""What tells image_vqgan from the plain VQ-VAE."""

from hydra import compose, initialize_config_dir
from paper import CONFIGS

from signaltok.adversaries.losses import Hinge
from signaltok.adversaries.weights import AdaptiveGradientWeight
from signaltok.objectives.perceptual import EfficientNetPerceptual
from signaltok.objectives.pixel import AbsoluteError
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.build import build
from signaltok.training.config.resolve import plain, prepare


def settings_of(name: str) -> dict:
    prepare()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return plain(compose("train", overrides=["paths.output_dir=run", f"experiment={name}"]))


def test_image_vqgan_has_an_adversary_and_a_perceptual_term() -> None:
    settings = settings_of("image_vqgan")
    objective, adversary = build(settings["objective"]), build(settings["adversary"])
    assert isinstance(objective.terms["reconstruction"], AbsoluteError)
    assert isinstance(objective.terms["perceptual"], EfficientNetPerceptual)
    assert isinstance(adversary.loss, Hinge) and isinstance(adversary.weight, AdaptiveGradientWeight)
    assert 0 < adversary.start < 1 and adversary.trains(adversary.start - adversary.warmup)
    one, other = build_tokenizer(settings), build_tokenizer(settings_of("image_vqvae"))
    assert one.quantizer.codebook_sizes == other.quantizer.codebook_sizes == (1024,)
    assert one.encoder.stride == other.encoder.stride == (8, 8)


def test_every_other_experiment_of_pictures_has_none() -> None:
    for path in (CONFIGS / "experiment").glob("image_*.yaml"):
        if path.stem != "image_vqgan":
            assert settings_of(path.stem)["adversary"] is None, path.stem
