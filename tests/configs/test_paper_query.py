"""TiTok, FlexTok and the patch embedding at their published scale."""

import pytest
from paper import built, parameters

from signaltok.types.token_stack import grid_size

# torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1.meta["num_params"] of torchvision 0.2x: ViT-B/16 with all it has.
VIT_B_16 = 86_567_656
CLASS_TOKEN, POSITIONS, HEAD = 768, 197 * 768, 768 * 1000 + 1000
# Blocks of a Transformer of width d with biases and an MLP four times as wide: 12 d^2 + 13 d each.
VIT_L_BLOCKS = 24 * (12 * 1024**2 + 13 * 1024)


def test_patch_embedding_is_the_trunk_of_vit_b_16():
    tokenizer = built("image_patch")
    encoder = tokenizer.encoder
    assert grid_size((224, 224), encoder.stride) == (14, 14)  # section 3.1: N = HW / P^2 = 196
    assert encoder.latent_dim == 768  # table 1: hidden size D of ViT-B
    # Coordinates are sines here, and the tokens pass one linear layer more on their way out.
    trunk = parameters(encoder) - parameters(encoder.project)
    assert trunk == VIT_B_16 - CLASS_TOKEN - POSITIONS - HEAD == 85_646_592


def test_titok_l_32():
    tokenizer = built("image_titok")
    # configs/titok_l32.yaml of bytedance/1d-tokenizer: num_latent_tokens 32, codebook_size 4096, token_size 12,
    # use_l2_norm true, patch size 16, "large" both ways, crop_size 256.
    assert tokenizer.encoder.tokens == tokenizer.decoder.tokens == 32
    assert tokenizer.quantizer.codebook_sizes == (4096,)
    assert tuple(tokenizer.quantizer.table.vectors.shape) == (4096, 12) and tokenizer.quantizer.spherical
    assert grid_size((256, 256), tokenizer.encoder.stride) == (16, 16)
    for part in (tokenizer.encoder, tokenizer.decoder):
        assert parameters(part.transformer.blocks) == VIT_L_BLOCKS
    # 32 codes of 4096 for 256 x 256 pixels.
    assert tokenizer.strides == ((1,),)


def test_flextok():
    tokenizer = built("image_flextok")
    # arXiv:2502.13967, abstract: a 256 x 256 picture as 1 to 256 tokens; FSQ of the 64k row: 8, 8, 8, 5, 5, 5.
    assert tokenizer.encoder.tokens == 256
    assert tokenizer.encoder.tail_drop.choices(256) == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert tokenizer.quantizer.levels == (8, 8, 8, 5, 5, 5)
    assert tokenizer.quantizer.codebook_sizes == (64_000,)


@pytest.mark.parametrize("name", ["image_titok", "image_flextok"])
def test_tokens_are_as_wide_as_the_codes(name):
    tokenizer = built(name)
    assert tokenizer.encoder.project.out_channels == tokenizer.quantizer.latent_dim == tokenizer.decoder.latent_dim
