"""Large pictures in tiles: codes and signals of every image experiment's parts, and what is held at a time."""

from functools import cache
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from signaltok.data.read_image import read_image
from signaltok.quantizers.codebook.search import TILE_SCORES
from signaltok.tokenizer import Tokenizer
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.resolve import plain, prepare

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "configs" / "experiment").glob("image_*.yaml"))
WHOLE = ("image_flextok", "image_patch", "image_titok", "image_vitvqgan")  # transformers: they look at all of it
CONVOLUTIONAL = [name for name in EXPERIMENTS if name not in WHOLE]
BLOCK = 128


@cache
def tokenizer(name: str, wide: int = 8) -> Tokenizer:
    """The experiment's own parts, narrow, after a step of training on a photograph, so that codebooks have begun."""
    overrides = [f"experiment={name}", "paths.output_dir=run", f"tokenizer.block={BLOCK}"]
    if name in CONVOLUTIONAL:
        inner = "decoder.decoder" if name == "image_dvae" else "decoder"
        overrides += [f"encoder.widths=[{wide},12]", "encoder.depth=1", f"{inner}.depth=1"]
        if name != "image_dvae":
            overrides.append(f"decoder.widths=[12,{wide}]")
    else:
        overrides += [
            f"{part}.{size}" for part in ("encoder", "decoder") for size in ("width=16", "depth=1", "heads=2")
        ]
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        settings = plain(compose("train", overrides=overrides))
    torch.manual_seed(0)
    built = build_tokenizer(settings).train()
    built.encoder.project.weight.data.mul_(20)  # latents of a new encoder are small, and FSQ would give one code
    built(photo()[:, :, :64, :64].contiguous())
    return built.eval()


@cache
def photo() -> Tensor:
    return read_image(ROOT / "data" / "photos" / "badlands0.jpg")[None]


def test_what_is_tiled_is_what_is_convolutional() -> None:
    assert {name for name in EXPERIMENTS if tokenizer(name).encoder.receptive_field is None} == set(WHOLE)


@pytest.mark.parametrize(("height", "width", "chunk"), [(150, 333, 64), (201, 77, (112, 48))])
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_tiles_give_the_codes_and_the_signal_of_the_whole_picture(name, height, width, chunk) -> None:
    model = tokenizer(name)
    signal = photo()[:, :, 20 : 20 + height, 30 : 30 + width].contiguous()
    assert signal.shape[2:] == (height, width), "not square, no multiple of the stride, longer than a block"
    stack, tiled = model.encode(signal), model.encode(signal, chunk=chunk)
    assert len(stack.levels) == len(tiled.levels) > 0
    assert all(torch.equal(one, other) for one, other in zip(stack.levels, tiled.levels, strict=True))
    assert any(level.unique().numel() > 1 for level in stack.levels), "one code everywhere shows nothing"
    decoded = model.decode(stack)
    assert decoded.shape == signal.shape
    assert torch.equal(model.decode(stack, chunk=chunk), decoded)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_blocks_compute_what_the_parts_compute_whole(name) -> None:
    model = tokenizer(name)
    signal = photo()[:, :, 20:170, 30:363].contiguous()
    blocks = model(signal)
    with torch.no_grad():
        assert torch.allclose(blocks.latent, model.encoder(signal, None), atol=1e-4)
        whole = model.decoder(blocks.quantized.z_q, None)[:, :, :150, :333]
    assert torch.allclose(blocks.signal, whole, atol=1e-4)


@pytest.mark.parametrize("name", WHOLE)
def test_transformers_refuse_tiles(name) -> None:
    model = tokenizer(name)
    signal = photo()[:, :, :64, :96].contiguous()
    with pytest.raises(ValueError, match=r"looks at the whole signal \(receptive_field is None\), so it cannot be"):
        if model.quantizer.codebook_sizes:
            model.encode(signal, chunk=32)
        else:
            model._latents(signal, None, (4, 4))


class LargestNew(TorchDispatchMode):
    """Elements of the largest tensor that has memory of its own."""

    elements = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        given = {a.untyped_storage().data_ptr() for a in arguments if isinstance(a, Tensor)}
        if isinstance(result, Tensor) and result.untyped_storage().data_ptr() not in given:
            self.elements = max(self.elements, result.numel())
        return result


@pytest.mark.parametrize(
    ("name", "side", "searched"),
    [("image_fsq", 1024, 0), pytest.param("image_vqvae", 2048, TILE_SCORES, marks=pytest.mark.slow)],
)
def test_what_is_held_of_a_large_picture_is_bounded_by_its_tiles_and_its_latent(name, side, searched) -> None:
    wide = 32
    model = tokenizer(name, wide=wide)
    signal = (torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1).contiguous()
    with LargestNew() as encoding:
        stack = model.encode(signal, chunk=BLOCK)
    with LargestNew() as decoding:
        model.decode(stack, chunk=BLOCK)
    latent = model.encoder.latent_dim * (side // model.encoder.stride[0]) ** 2
    # One activation of the first layer, were the picture computed at once.
    at_once = wide * (side // model.encoder.patch) ** 2
    assert encoding.elements <= max(latent, searched) < at_once / 3
    assert decoding.elements == 3 * side**2, "nothing larger than the picture that is asked for"
