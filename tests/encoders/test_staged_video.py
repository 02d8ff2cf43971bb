"""Networks of published designs: the same as transformers' VQGAN, inflated from pictures, and what bad settings get."""

import pytest
import torch
from torch import nn
from transformers import ChameleonVQVAEConfig
from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAEEncoder

from signaltok.decoders.staged_video import StagedVideoDecoder
from signaltok.encoders.staged_video import StagedVideoEncoder
from signaltok.layers.cosmos import Cosmos
from signaltok.layers.extent import Extent
from signaltok.layers.front import Patches
from signaltok.layers.inflation import inflate, tie
from signaltok.layers.time_convolution import CausalConvolution
from signaltok.layers.video_attention import TimeAttention
from signaltok.layers.video_norm import ChannelNorm, FrameNorm
from signaltok.layers.video_residual import VideoDesign
from signaltok.layers.vidtok import VidTok
from signaltok.layers.vqgan import Vqgan

ARGUMENTS = {"axes": 3, "channels": 3, "front": Patches(time=1, space=1), "stem_width": 32, "depth": 2, "latent_dim": 5}


def staged(design: VideoDesign, strides: list[list[int]], widths: list[int]) -> StagedVideoEncoder:
    return StagedVideoEncoder(**ARGUMENTS, design=design, strides=strides, widths=widths)


def take(ours: nn.Module, theirs: nn.Module) -> None:
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        own.data.copy_(other.data.reshape(own.shape))


def take_unit(ours: nn.Module, theirs: nn.Module) -> None:
    pairs = [(ours.norms[0], theirs.norm1), (ours.norms[1], theirs.norm2)]
    pairs += [(ours.first, theirs.conv1), (ours.second, theirs.conv2)]
    if isinstance(ours.shortcut, nn.Conv3d):
        pairs.append((ours.shortcut, theirs.nin_shortcut))
    for own, other in pairs:
        take(own, other)


def test_vqgan_over_frames_is_that_of_transformers():
    torch.manual_seed(0)
    shape = {"base_channels": 32, "channel_multiplier": [1, 2, 2], "num_res_blocks": 2, "attn_resolutions": None}
    theirs = ChameleonVQVAEEncoder(ChameleonVQVAEConfig(resolution=32, latent_channels=5, double_latent=False, **shape))
    ours = staged(Vqgan(groups=32), [[1, 2], [1, 2], [1, 1]], [32, 64, 64])
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.1)
    take(ours.stem, theirs.conv_in)
    for stage, down, other in zip(ours.stages, ours.down, theirs.down, strict=True):
        for own, block in zip(stage, other.block, strict=True):
            take_unit(own, block)
        if len(down):
            take(down[0], other.downsample)
    for own, block in ((ours.middle[0], theirs.mid.block_1), (ours.middle[2], theirs.mid.block_2)):
        take_unit(own, block)
    attention, other = ours.middle[1], theirs.mid.attn_1
    for name, their_name in (("norm", "norm"), ("query", "q"), ("key", "k"), ("value", "v"), ("project", "proj_out")):
        take(getattr(attention, name), getattr(other, their_name))
    take(ours.project.norm, theirs.norm_out)
    take(ours.project.convolution, theirs.conv_out)
    frames = torch.rand(2, 3, 3, 24, 32, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        latent = ours.double()(frames, None)
        expected = theirs.double()(frames.transpose(1, 2).flatten(0, 1)).unflatten(0, (2, 3)).transpose(1, 2)
    assert latent.shape == (2, 5, 3, 6, 8) and latent.std() > 0.1
    assert torch.allclose(latent, expected, rtol=0, atol=1e-10)


@torch.no_grad()
def test_a_frame_norm_is_group_norm_of_each_frame():
    torch.manual_seed(0)
    norm, x = FrameNorm(width=6, groups=2), torch.randn(2, 6, 3, 4, 5)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    expected = [nn.functional.group_norm(x[:, :, t], 2, norm.weight, norm.bias, 1e-6) for t in range(3)]
    assert torch.allclose(norm(x, extent=Extent(None, None)), torch.stack(expected, 2), atol=1e-5)


@pytest.mark.parametrize("design", [VidTok(), Cosmos(window=2)], ids=["vidtok", "cosmos"])
@torch.no_grad()
def test_inflated_networks_give_every_frame_of_a_still_what_a_picture_has(design):
    torch.manual_seed(0)
    encoder = staged(design, [[2, 2], [2, 1]], [6, 8]).double()
    decoder = StagedVideoDecoder(
        axes=3, channels=3, front=Patches(time=1, space=1), design=design, widths=[8, 6], strides=[[2, 1], [2, 2]],
        depth=1, latent_dim=5,
    ).double()  # fmt: skip
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        nn.init.normal_(parameter, std=0.3)
    tie(decoder)
    frame = torch.rand(1, 3, 1, 8, 12, dtype=torch.float64) * 2 - 1
    latent = encoder(frame, None)
    shown = decoder(latent, None)
    assert torch.allclose(shown, shown[:, :, :1].expand_as(shown), atol=1e-10)
    inflate(encoder), inflate(decoder)
    kernels = [own.weighted.weight for own in encoder.modules() if isinstance(own, CausalConvolution)]
    assert any(kernel.shape[2] > 1 for kernel in kernels) and not any(kernel[:, :, :-1].any() for kernel in kernels)
    still = frame.expand(-1, -1, 9, -1, -1)
    cells = encoder(still, None)
    assert torch.allclose(encoder(frame, None), latent, atol=1e-10)
    assert torch.allclose(cells, latent.expand_as(cells), atol=1e-10)
    frames = decoder(cells, None)
    assert torch.allclose(frames, shown[:, :, :1].expand_as(frames), atol=1e-10)


@torch.no_grad()
def test_attention_along_time_looks_back_as_far_as_its_window():
    torch.manual_seed(0)
    layer, x = TimeAttention(width=4, norm=ChannelNorm(width=4), window=2), torch.randn(1, 4, 6, 1, 1)
    whole = layer(x, extent=Extent(None, None))
    for first in range(1, 5):  # a frame and the one before it say all there is to know
        alone = layer(x[:, :, first - 1 : first + 1], extent=Extent(None, None))
        assert torch.allclose(alone[:, :, 1], whole[:, :, first])
    x[:, :, 2] += 1
    moved = (layer(x, extent=Extent(None, None)) != whole).flatten(3).any(3).any(1)[0]
    assert moved.tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("design", "strides", "widths", "says"),
    [
        (VidTok(), [[1, 2]], [32, 64], "must say two numbers for each of the widths"),
        (VidTok(), [[1, 2], [3, 1]], [32, 64], "the step behind the stage in time and that in height"),
        (VidTok(), [[1, 2], [2]], [32, 64], "must say two numbers"),
        (VidTok(), [], [], "must say one for each of the widths"),
        (Vqgan(groups=32), [[1, 2], [2, 1]], [32, 64], "frames stay apart in this design"),
        (Vqgan(groups=32), [[1, 2], [1, 1]], [32, 40], "a width of 40 cannot be divided into 32 groups"),
    ],
)
def test_networks_that_cannot_be_are_refused(design, strides, widths, says):
    with pytest.raises(ValueError, match=says):
        staged(design, strides, widths)


def test_stages_a_window_and_groups_of_nothing_are_refused():
    with pytest.raises(ValueError, match="depth is 0; every stage has 1 or more blocks"):
        StagedVideoEncoder(**ARGUMENTS | {"design": VidTok(), "strides": [[1, 1]], "widths": [8], "depth": 0})
    with pytest.raises(ValueError, match="window is 0; attention along time looks at 1 or more frames"):
        Cosmos(window=0)
    with pytest.raises(ValueError, match="groups is 0; a norm has 1 or more"):
        Vqgan(groups=0)
