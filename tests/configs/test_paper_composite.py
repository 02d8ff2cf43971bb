"""The compositions at their published scale: grids and codebooks. Our encoders are others: no parameter counts."""

from pathlib import Path

import pytest
import torch
from paper import built

from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import grid_size

SIZE = (256, 256)


def grids(tokenizer: Tokenizer) -> list[tuple[int, ...]]:
    return [grid_size(SIZE, *rule) for rule in zip(tokenizer.strides, tokenizer.shares, strict=True)]


def tables(tokenizer: Tokenizer) -> set[tuple[int, ...]]:
    state = tokenizer.quantizer.state_dict()
    return {tuple(value.shape) for name, value in state.items() if name.endswith("table.vectors")}


def test_unitok() -> None:
    tokenizer = built("image_grouped")
    # UniTok (arXiv:2502.20321): 8 sub-codebooks of 4,096 codes, each over 8 of 64 channels; 16 x 16 cells at 256.
    assert tokenizer.quantizer.codebook_sizes == (4096,) * 8
    assert grids(tokenizer) == [(16, 16)] * 8
    assert tables(tokenizer) == {(4096, 8)}
    assert tokenizer.quantizer.project_in.weight.shape == (64, 1024)


def test_rq_vae() -> None:
    tokenizer = built("image_rqvae")
    # kakaobrain/rq-vae-transformer, configs/imagenet256/stage1/in256-rqvae-8x8x4.yaml: n_embed 16384, embed_dim 256,
    # code_shape 8 8 4, shared_codebook true, ch 128, ch_mult 1 1 2 2 4 4, num_res_blocks 2.
    assert tokenizer.quantizer.codebook_sizes == (16384,) * 4
    assert grids(tokenizer) == [(8, 8)] * 4
    books = [name for name in tokenizer.quantizer.state_dict() if name.endswith("table.vectors")]
    assert len(books) == 1 and tables(tokenizer) == {(16384, 256)}
    assert tokenizer.encoder.latent_dim == 256


def test_var() -> None:
    tokenizer = built("image_var")
    # FoundationVision/VAR, models/vqvae.py: vocab_size 4096, z_channels 32, share_quant_resi 4, quant_resi 0.5,
    # v_patch_nums 1 2 3 4 5 6 8 10 13 16 (680 codes); models/__init__.py: ch 160.
    assert tokenizer.quantizer.codebook_sizes == (4096,) * 10
    assert grids(tokenizer) == [(n, n) for n in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)]
    assert sum(height * width for height, width in grids(tokenizer)) == 680
    assert tables(tokenizer) == {(4096, 32)}
    assert len(tokenizer.quantizer.smoothing.convolutions) == 4 and tokenizer.quantizer.smoothing.ratio == 0.5


def test_vq_vae_2() -> None:
    tokenizer = built("image_vqvae2")
    # rosinality/vq-vae-2-pytorch, vqvae.py: channel 128, n_res_block 2, embed_dim 64, n_embed 512, strides 4 and 2.
    assert tokenizer.quantizer.codebook_sizes == (512, 512)
    assert grids(tokenizer) == [(32, 32), (64, 64)]
    assert tables(tokenizer) == {(512, 64)}


@pytest.mark.parametrize("name", ["image_grouped", "image_rqvae", "image_var", "image_vqvae2"])
def test_nothing_is_allocated_and_the_twin_says_it_was_never_run(name: str) -> None:
    assert all(parameter.device == torch.device("meta") for parameter in built(name).parameters())
    text = (Path(__file__).parents[2] / "configs" / "experiment" / "paper" / f"{name}.yaml").read_text()
    assert "# expected: never run at this scale" in text
