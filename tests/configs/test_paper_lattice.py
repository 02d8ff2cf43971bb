"""The lattice methods at their published scale. Sources: shared reference of recipes, read in the projects' files."""

import pytest
import torch
from paper import built, parameters
from torch.utils._python_dispatch import TorchDispatchMode

from signaltok.quantizers.binary_spherical import BinarySphericalQuantizer
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.lookup_free import LookupFreeQuantizer

SIZE = 256  # pixels, all three
# Kind, codes, grid, widths.
# image_lfq: Open-MAGVIT2 (SEED-Voken's image configuration): 2^18 codes at stride 16, 128 channels times 1, 1, 2, 2, 4.
# image_bsq: BSQ-ViT (the authors' configuration, and the paper's 1,024 tokens of 8 x 8 patches): 18 bits, ViT-B.
# image_fsq: Mentzer et al. 2023, table 1: 8 x 5 x 5 x 5 for 2^10; MaskGIT's VQGAN at stride 16.
PUBLISHED = {
    "image_lfq": (LookupFreeQuantizer, 2**18, (16, 16)),
    "image_bsq": (BinarySphericalQuantizer, 2**18, (32, 32)),
    "image_fsq": (FiniteScalarQuantizer, 1000, (16, 16)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_codes_grid_and_no_table(name: str) -> None:
    tokenizer = built(name)
    kind, size, grid = PUBLISHED[name]
    assert type(tokenizer.quantizer) is kind
    assert tokenizer.quantizer.codebook_sizes == (size,)
    with torch.device("meta"):
        latent = tokenizer.encoder(torch.zeros(1, 3, SIZE, SIZE), None)
    assert latent.shape == (1, tokenizer.quantizer.latent_dim, *grid)
    # As many latent channels as coordinates: no projection, and so nothing to learn.
    assert parameters(tokenizer.quantizer) == 0
    assert sum(buffer.numel() for buffer in tokenizer.quantizer.buffers()) <= 12


class LargestTensor(TorchDispatchMode):
    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        if isinstance(result, torch.Tensor):
            self.elements = max(self.elements, result.numel())
        return result


@pytest.mark.parametrize("name", ["image_lfq", "image_bsq"])
def test_coding_at_scale_allocates_nothing_of_the_size_of_the_book(name: str) -> None:
    tokenizer = built(name)
    grid = PUBLISHED[name][2]
    with torch.device("meta"), LargestTensor() as seen:
        codes = tokenizer.quantizer.encode(torch.zeros(1, 18, *grid))
        tokenizer.quantizer.decode(codes)
    assert codes[0].shape == (1, *grid)
    assert seen.elements == 18 * grid[0] * grid[1] < 2**18


def test_open_magvit2_has_four_blocks_at_each_of_its_five_widths() -> None:
    tokenizer = built("image_lfq")
    widths = [block.inner.weight.shape[0] for stage in tokenizer.encoder.stages for block in stage]
    assert widths == [128] * 8 + [256] * 8 + [512] * 4


def test_maskgits_vqgan_has_two_blocks_at_each_of_its_five_widths() -> None:
    tokenizer = built("image_fsq")
    widths = [block.inner.weight.shape[0] for stage in tokenizer.encoder.stages for block in stage]
    assert widths == [128] * 4 + [256] * 4 + [512] * 2


def test_bsq_vit_is_vit_base_on_both_sides() -> None:
    tokenizer = built("image_bsq")
    # ViT-B (Dosovitskiy et al. 2021, table 1): 12 layers, width 768, MLP 3072, 12 heads; their parameters are
    # 12 (4 x 768^2 + 4 x 768 + 2 x 768 x 3072 + 3072 + 768 + 4 x 768) and the last norm's 2 x 768.
    blocks = 12 * (4 * 768**2 + 4 * 768 + 2 * 768 * 3072 + 3072 + 768 + 4 * 768) + 2 * 768
    for side in (tokenizer.encoder, tokenizer.decoder):
        assert parameters(side.transformer) == blocks == 85_056_000
        assert len(side.transformer.blocks) == 12 and side.transformer.blocks[0].heads == 12
    assert tokenizer.encoder.embed.weight.shape[:2] == (768, 3 * 8 * 8)
