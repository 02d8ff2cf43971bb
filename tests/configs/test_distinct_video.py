"""What distinguishes the video experiments, on what is built, and their twins at the papers' scale."""

import pytest
import torch
from experiments import CONFIGS, on_meta, settings
from transformers import ChameleonVQVAEConfig
from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAE

from signaltok.decoders.frames import FramesDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.encoders.frames import FramesEncoder
from signaltok.encoders.video import VideoEncoder
from signaltok.layers.front import Haar, Patches
from signaltok.layers.time_convolution import TimeConvolution
from signaltok.quantizers.lookup_free import LookupFreeQuantizer
from signaltok.streaming import against_streaming
from signaltok.training.assemble import build_tokenizer
from signaltok.types.token_stack import grid_size


def grid(name: str, *size: int) -> tuple[int, ...]:
    encoder = on_meta(name).encoder
    return grid_size(size, encoder.stride, lead=encoder.lead)


def test_video_causal_looks_at_no_later_frame_and_gives_the_first_a_cell():
    tokenizer = build_tokenizer(settings("video_causal"))
    assert isinstance(tokenizer.encoder, VideoEncoder) and isinstance(tokenizer.encoder.front, Patches)
    assert tokenizer.encoder.stride == (4, 8, 8) and tokenizer.lead == (3, 0, 0)
    assert tokenizer.sample_rate == 12 and tokenizer.quantizer.codebook_sizes == (1000,)
    assert against_streaming(tokenizer.encoder, tokenizer.quantizer, tokenizer.decoder) is None
    clip = torch.rand(1, 3, 9, 16, 16) * 2 - 1
    other = torch.cat([clip[:, :, :5], -clip[:, :, 5:]], dim=2)
    assert tokenizer.encode(clip).levels[0].shape == (1, 3, 2, 2)
    # Of an untrained encoder codes may well be equal, latents are not.
    latent, changed = (tokenizer.embed(signal).unflatten(1, (3, 4)) for signal in (clip, other))
    assert torch.equal(latent[:, :2], changed[:, :2]) and not torch.equal(latent[:, 2], changed[:, 2])


def test_video_haar_has_the_same_codes_behind_a_haar_transform_of_two_levels():
    tokenizer, plain = on_meta("video_haar"), on_meta("video_causal")
    front = tokenizer.encoder.front
    assert isinstance(front, Haar) and (front.time, front.space, front.levels) == (4, 4, 2)
    assert (tokenizer.encoder.stride, tokenizer.lead) == (plain.encoder.stride, plain.lead)
    assert tokenizer.quantizer.codebook_sizes == plain.quantizer.codebook_sizes


def test_video_inflated_is_video_causal_that_begins_with_pictures():
    ours, plain = (settings(name) for name in ("video_inflated", "video_causal"))
    assert ours["run"].pop("pictures_until") == 0.3333 and plain["run"].pop("pictures_until") is None
    for other in ("tags", "paths"):
        ours.pop(other), plain.pop(other)
    assert ours == plain
    assert settings("paper/video_inflated")["run"]["pictures_until"] == 0.3333


def test_video_frames_takes_each_frame_as_a_picture_at_the_same_bits():
    tokenizer = on_meta("video_frames")
    assert isinstance(tokenizer.encoder, FramesEncoder) and isinstance(tokenizer.decoder, FramesDecoder)
    assert isinstance(tokenizer.encoder.pictures, ConvEncoder) and tokenizer.lead is None
    assert not any(isinstance(layer, TimeConvolution) for layer in tokenizer.modules())
    assert tokenizer.quantizer.codebook_sizes == on_meta("video_causal").quantizer.codebook_sizes
    # 1 + 16 frames of 64 x 64: of 17 grids of 4 x 4, and of 5 of 8 x 8; but for the first frame 16 codes a frame.
    assert grid("video_frames", 17, 64, 64) == (17, 4, 4) and grid("video_causal", 17, 64, 64) == (5, 8, 8)
    assert (17 - 1) * 16 == (5 - 1) * 64


@pytest.mark.parametrize("levels", [1, 2])
def test_a_haar_transform_is_undone_exactly_and_gathers_what_does_not_change(levels):
    front = Haar(levels=levels)
    side = 2**levels
    x = torch.rand(2, 3, 2 * side, side, 3 * side, dtype=torch.float64) * 2 - 1
    y = front.split(x)
    assert y.shape == (2, 3 * side**3, 2, 1, 3) and y.abs().max() <= 1
    assert torch.allclose(front.join(y), x, atol=1e-14)
    # But for one factor it is orthonormal, level by level; a constant is in the first channels alone.
    if levels == 1:
        assert torch.allclose(y.square().sum() * 8, x.square().sum())
    constant = front.split(torch.full_like(x, 0.5))
    assert torch.equal(constant[:, :3], torch.full_like(constant[:, :3], 0.5)) and not constant[:, 3:].any()


def test_patches_are_undone_exactly():
    front, x = Patches(time=2, space=3), torch.rand(2, 3, 4, 6, 9)
    y = front.split(x)
    assert y.shape == (2, 54, 2, 2, 3) and torch.equal(front.join(y), x)
    assert torch.equal(y[0, :18, 1, 0, 2], x[0, 0, 2:4, :3, 6:9].flatten())


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def twin_head(name: str) -> list[str]:
    return (CONFIGS / "experiment" / "paper" / f"{name}.yaml").read_text().splitlines()[:7]


def says(name: str, *counts: int) -> bool:
    (line,) = (line for line in twin_head(name) if line.startswith("# published count: "))
    return all(f"{count:,}" in line for count in counts)


def test_every_video_method_has_a_twin_with_the_published_count():
    folder = CONFIGS / "experiment"
    laptop, twins = ({path.stem for path in where.glob("video_*.yaml")} for where in (folder, folder / "paper"))
    assert laptop == twins
    for name in twins:
        tokenizer = on_meta(f"paper/{name}")
        counts = parameters(tokenizer.encoder), parameters(tokenizer.decoder)
        assert says(name, *(counts if name != "video_frames" else counts[:1])), (name, counts)


def layer(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel + outputs


def unit(inputs: int, outputs: int, kernel: int) -> int:
    """Two norms, two convolutions and the map beside them, where there is one."""
    both = layer(inputs, outputs, kernel) + layer(outputs, outputs, kernel)
    return 2 * (inputs + outputs) + both + (layer(inputs, outputs, 1) if inputs != outputs else 0)


def vid_tok(latent: int) -> tuple[int, int]:
    """Parameters of the encoder and the decoder of VidTok's causal 4 x 8 x 8, layer by layer of its public code."""
    widths = 128, 256, 512, 512
    middle = 2 * unit(512, 512, 27) + 2 * 512 + 4 * layer(512, 512, 1)
    slower = sum(layer(width, width, 27) + 1 for width in (256, 512))
    down = sum(layer(width, width, 9) for width in widths[:3]) + slower
    up = sum(layer(width, width, 9) for width in (512, 512, 256)) + slower
    encoder, before = layer(3, 128, 27) + middle + down + 2 * 512 + layer(512, latent, 27), 128
    for width in widths:
        encoder += unit(before, width, 9) + unit(width, width, 9) + 2 * unit(width, width, 3)
        before = width
    decoder = layer(latent, 512, 27) + middle + up + 2 * 128 + layer(128, 3, 27)
    for width in widths[::-1]:
        decoder += unit(before, width, 9) + 2 * unit(width, width, 9) + 3 * unit(width, width, 3)
        before = width
    return encoder, decoder


def test_vid_tok_s_twin_has_its_grid_its_codes_and_its_layers():
    tokenizer = on_meta("paper/video_causal")
    assert tokenizer.encoder.stride == (4, 8, 8) and tokenizer.quantizer.codebook_sizes == (2**15,)
    assert grid("paper/video_causal", 17, 256, 256) == (5, 32, 32)
    assert (parameters(tokenizer.encoder), parameters(tokenizer.decoder)) == vid_tok(5)
    assert sum(vid_tok(5)) == 157_424_012 and says("video_causal", 157_424_012)


def test_open_magvit_2_s_twin_has_its_grid_and_its_codes_over_vid_tok_s_networks():
    tokenizer = on_meta("paper/video_inflated")
    assert grid("paper/video_inflated", 17, 128, 128) == (5, 16, 16)
    assert grid("paper/video_inflated", 1, 128, 128) == (1, 16, 16)
    assert isinstance(tokenizer.quantizer, LookupFreeQuantizer) and tokenizer.quantizer.codebook_sizes == (2**18,)
    assert (parameters(tokenizer.encoder), parameters(tokenizer.decoder)) == vid_tok(18)


def test_cosmos_s_twin_has_its_grid_its_codes_and_the_published_count():
    tokenizer = on_meta("paper/video_haar")
    assert tokenizer.encoder.stride == (8, 8, 8) and tokenizer.quantizer.codebook_sizes == (64_000,)
    assert isinstance(tokenizer.encoder.front, Haar) and grid("paper/video_haar", 49, 256, 256) == (7, 32, 32)
    # Published: counted on the meta device in diffusers 0.42.1, AutoencoderKLCosmos as it is by default.
    assert (parameters(tokenizer.encoder), parameters(tokenizer.decoder)) == (42_914_592, 62_738_560)
    assert parameters(tokenizer.quantizer) == 214 and says("video_haar", 214)


def test_chameleon_s_twin_has_1024_of_8192_codes_a_frame_and_the_published_count():
    tokenizer = on_meta("paper/video_frames")
    assert grid("paper/video_frames", 4, 512, 512) == (4, 32, 32) and 32 * 32 == 1024
    assert tokenizer.quantizer.codebook_sizes == (8192,) and tokenizer.lead is None
    assert settings("paper/video_frames")["data"]["frame_rate"] == 1
    with torch.device("meta"):
        public = ChameleonVQVAE(ChameleonVQVAEConfig(resolution=512))
    published = [parameters(part) for part in (public.encoder, public.quantize, public.quant_conv)]
    assert says("video_frames", published[0], published[1], 2 * published[2])
    assert parameters(tokenizer.encoder) == published[0] and parameters(tokenizer.quantizer) == 0
    tables = [one for one in tokenizer.quantizer.table.state_dict().values() if one.ndim == 2]
    assert [table.numel() for table in tables] == 2 * [published[1]]  # codes, and the sums that they are means of
