"""The methods with large learned books at their published scale."""

import pytest
from paper import built, parameters

from signaltok.quantizers.codebook.update import Gradient
from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import grid_size


def grid(tokenizer: Tokenizer, side: int) -> tuple[int, ...]:
    return grid_size((side, side), tokenizer.encoder.stride)


def test_the_discrete_vae_of_dalle() -> None:
    tokenizer = built("image_dvae")
    # Ramesh et al. 2021, section 2: 256 x 256 pictures become 32 x 32 tokens of 8,192 values.
    assert grid(tokenizer, 256) == (32, 32)
    assert tokenizer.quantizer.codebook_sizes == (8192,)
    # The released decoder begins with a 1 x 1 convolution from 8,192 one-hot channels to 128: the code vectors.
    (vectors,) = tokenizer.quantizer.code_vectors()
    assert vectors.decoded.shape == (8192, 128)
    # Location and log scale of three channels (appendix A.3).
    assert tokenizer.decoder.decoder.channels == 6 and tokenizer.decoder.channels == 3
    # Four groups of two blocks, 256 channels doubled from group to group, in the released encoder.
    assert [len(blocks) for blocks in tokenizer.encoder.stages] == [2, 2, 2, 2]
    assert [blocks[0].inner.out_channels for blocks in tokenizer.encoder.stages] == [256, 512, 1024, 2048]
    # temperature: 150,000 of 3,000,000 steps; KL: 6.6 a position of 8 x 8 x 3 values.
    quantizer = tokenizer.quantizer
    quantizer.advance(150_000 / 3_000_000)
    assert quantizer.temperature == pytest.approx(1 / 16)


def test_index_backpropagation_with_16384_codes() -> None:
    tokenizer = built("image_ibq")
    # The reference's configuration: K 16,384, D 256, 256 x 256 pictures at stride 16.
    assert grid(tokenizer, 256) == (16, 16)
    (vectors,) = tokenizer.quantizer.code_vectors()
    assert vectors.searched.shape == vectors.decoded.shape == (16_384, 256)
    # All codes are trained: 16,384 x 256 numbers and nothing beside them.
    assert parameters(tokenizer.quantizer) == 16_384 * 256
    # 128 channels, multiplied by 1, 1, 2, 2, 4, with 4 blocks each.
    assert [blocks[0].inner.out_channels for blocks in tokenizer.encoder.stages] == [128, 128, 256, 256, 512]
    assert {len(blocks) for blocks in tokenizer.encoder.stages} == {4}


def test_the_product_quantizer_of_wav2vec_2() -> None:
    tokenizer = built("image_contrastive")
    quantizer = tokenizer.quantizer
    # Baevski et al. 2020, section 4.2 and appendix B: G = 2, V = 320, entries of 256 / G numbers.
    assert quantizer.codebook_sizes == (320, 320) and quantizer.vectors.numel() == 2 * 320 * 128 == 81_920
    assert [vectors.decoded.shape for vectors in quantizer.code_vectors()] == [(320, 512)] * 2
    # Section 4.2: temperature annealed from 2 to 0.5 by a factor of 0.999995 at every update, of 400,000.
    for step in (0, 100_000, 277_258, 400_000):
        expected = max(2 * 0.999995**step, 0.5)
        assert quantizer.assignment.temperature(step / 400_000) == pytest.approx(expected, rel=1e-3)
    loss = quantizer.identification
    assert (loss.temperature, loss.num_negatives, loss.negatives, loss.ties) == (0.1, 100, "item", "mask")


def test_simvq_with_65536_codes() -> None:
    tokenizer = built("image_simvq")
    # The reference's configuration: K 65,536, D 128, 128 x 128 pictures.
    assert grid(tokenizer, 128) == (16, 16)
    assert tokenizer.quantizer.codebook_sizes == (65_536,)
    assert tokenizer.quantizer.table.frozen.shape == (65_536, 128)
    # Trained of the quantizer: one linear layer of 128 x 128 with its bias.
    assert parameters(tokenizer.quantizer) == 128 * 128 + 128


def test_vitvqgan_base() -> None:
    tokenizer = built("image_vitvqgan")
    # Yu et al. 2022, section 3: 256 x 256 pictures in patches of 8 are 1,024 tokens; 8,192 codes.
    assert grid(tokenizer, 256) == (32, 32)
    assert tokenizer.quantizer.codebook_sizes == (8192,)
    # Codes of 32 numbers, factorised and on the sphere (section 3.2).
    (vectors,) = tokenizer.quantizer.code_vectors()
    assert vectors.searched.shape == (8192, 32) and vectors.decoded.shape == (8192, 768)
    assert tokenizer.quantizer.spherical and isinstance(tokenizer.quantizer.update, Gradient)
    for transformer in (tokenizer.encoder.transformer, tokenizer.decoder.decoder.transformer):
        # ViT-B: 12 blocks of 12 d^2 + 13 d numbers, d = 768 (Dosovitskiy et al. 2021, table 1).
        assert parameters(transformer.blocks) == 12 * (12 * 768**2 + 13 * 768)
