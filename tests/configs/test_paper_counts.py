"""Parameter counts of the twins against those of public architectures, and what each twin says of its own.

Where a published count is not known here, the file says so and the tests beside this one hold grids and codebooks.
"""

import pytest
from experiments import CONFIGS
from paper import built, parameters

from signaltok.types.token_stack import grid_size

TWINS = sorted(path.stem for path in (CONFIGS / "experiment" / "paper").glob("image_*.yaml"))


def head(name: str) -> str:
    """What the twin's file says of its published count."""
    text = (CONFIGS / "experiment" / "paper" / f"{name}.yaml").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("# published count: ")]
    return line


def test_every_image_method_has_a_twin() -> None:
    laptop = {path.stem for path in (CONFIGS / "experiment").glob("image_*.yaml")}
    # image_rvq is image_rqvae with codebooks of their own: no paper's image tokenizer.
    assert laptop - {"image_rvq"} == set(TWINS)


@pytest.mark.parametrize("name", TWINS)
def test_every_twin_says_what_is_known_of_its_published_count(name: str) -> None:
    assert "not known here" in head(name) or "ours exactly" in head(name)


def test_vqvae() -> None:
    tokenizer = built("image_vqvae")
    # van den Oord et al. 2017, section 4.2: x of 128 x 128 x 3 becomes z of 32 x 32 x 1 with K = 512.
    assert grid_size((128, 128), tokenizer.encoder.stride) == (32, 32)
    assert tokenizer.quantizer.codebook_sizes == (512,)
    assert parameters(tokenizer.quantizer) == 512 * 64
    # Section 4.1: two residual blocks (ReLU, 3 x 3 conv, ReLU, 1 x 1 conv), all of 256 units, on either side.
    blocks = 2 * (9 * 256**2 + 256 + 256**2 + 256)
    assert blocks == 1_311_744 and "1,311,744" in head("image_vqvae")
    assert parameters(tokenizer.encoder.stages) == parameters(tokenizer.decoder.stages) == blocks


def test_vqgan_has_a_third_of_the_published_encoder() -> None:
    tokenizer = built("image_vqgan")
    # The published f16 model, built from transformers 5.23 on the meta device: ChameleonVQVAEEncoder of
    # base_channels 128, channel_multiplier 1 1 2 2 4, num_res_blocks 2, attn_resolutions 16, resolution 256,
    # latent_channels 256, double_latent false; JanusVQVAEDecoder of the same. With both 1 x 1 convolutions (256 x 256
    # + 256) and the codebook: 72 M, the number given for LlamaGen's VQ-16, the same network.
    encoder, decoder = 29_298_176, 42_449_795
    assert round((encoder + decoder + 2 * (256 * 256 + 256) + 1024 * 256) / 1e6) == 72
    # Ours differ: blocks of 3 x 3 and 1 x 1 (not twice 3 x 3), no norms, no attention, no blocks in the middle.
    assert (parameters(tokenizer.encoder), parameters(tokenizer.decoder)) == (9_643_904, 10_692_227)
    for count in (encoder, decoder, 9_643_904, 10_692_227):
        assert f"{count:,}" in head("image_vqgan")


def test_unitoks_twin_is_a_plain_vit_l_16() -> None:
    encoder = built("image_grouped").encoder
    # torchvision's vit_l_16 on the meta device: 304,326,632, without class token, 197 positions and the head.
    trunk = 304_326_632 - 1024 - 197 * 1024 - (1024 * 1000 + 1000)
    assert parameters(encoder) - parameters(encoder.project) == trunk == 303_098_880


def test_rq_vae_and_var_have_the_published_codebooks() -> None:
    # Learned by averages, so the tables are no parameters. Projections: none, as widths are equal.
    assert parameters(built("image_rqvae").quantizer) == 0
    # VAR: four 3 x 3 convolutions of 32 channels (phi) beside the table.
    assert parameters(built("image_var").quantizer) == 4 * (9 * 32**2 + 32) == 36_992


def test_flextok_has_the_blocks_of_vit_b() -> None:
    tokenizer = built("image_flextok")
    for part in (tokenizer.encoder, tokenizer.decoder):
        assert parameters(part.transformer.blocks) == 12 * (12 * 768**2 + 13 * 768)
