"""VQGAN at its published scale."""

import torch
from experiments import settings
from paper import built, parameters

from signaltok.adversaries.adversary import Adversary
from signaltok.adversaries.losses import Hinge
from signaltok.training.config.build import build
from signaltok.types.token_stack import grid_size


def test_vqgan_with_1024_codes() -> None:
    tokenizer = built("image_vqgan")
    # Esser et al. 2021 and the authors' released configuration, vqgan_imagenet_f16_1024: 256 x 256 pictures become
    # 16 x 16 codes out of 1,024 of 256 channels; channels 128 x (1, 1, 2, 2, 4), two blocks of each.
    assert grid_size((256, 256), tokenizer.encoder.stride) == (16, 16)
    assert tokenizer.quantizer.codebook_sizes == (1024,)
    (vectors,) = tokenizer.quantizer.code_vectors()
    assert vectors.searched.shape == vectors.decoded.shape == (1024, 256)
    assert parameters(tokenizer.quantizer) == 1024 * 256
    widths = [blocks[0].inner.out_channels for blocks in tokenizer.encoder.stages]
    assert widths == [128, 128, 256, 256, 512] and [len(blocks) for blocks in tokenizer.encoder.stages] == [2] * 5
    assert [blocks[0].inner.out_channels for blocks in tokenizer.decoder.stages] == widths[::-1]


def test_the_adversary_of_vqgan() -> None:
    with torch.device("meta"):
        adversary = build(settings("paper/image_vqgan")["adversary"])
    assert isinstance(adversary, Adversary) and isinstance(adversary.loss, Hinge)
    # The reference's PatchGAN, 64 channels and 3 layers: 2,765,633 with BatchNorm, and GroupNorm has as many.
    assert parameters(adversary.discriminator) == 2_765_633
    # 256 x 256 pictures: 30 x 30 logits, as the 70 x 70 PatchGAN gives (Isola et al. 2017).
    with torch.device("meta"):
        (verdict,) = adversary.discriminator(torch.zeros(1, 3, 256, 256))
        assert verdict.logits.shape == (1, 1, 30, 30)
    assert adversary.weight.arguments == {"weight": 0.8, "epsilon": 1e-4, "least": 0.0, "most": 1e4}
    assert adversary.betas == (0.5, 0.9)
    assert settings("paper/image_vqgan")["objective"]["weights"] == {
        "reconstruction": 1.0, "perceptual": 1.0, "codebook": 1.0, "commitment": 0.25,
    }  # fmt: skip
