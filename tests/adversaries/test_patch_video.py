"""Discriminators of videos: frames alone, and frames with time."""

import pytest
import torch
from small_adversary import adversary, video_discriminators
from torch.nn import functional as F

from signaltok.adversaries.patch import PatchDiscriminator
from signaltok.adversaries.patch_video import FramesDiscriminator, VideoPatchDiscriminator


def pictures(**changes):
    return PatchDiscriminator(**{"axes": 2, "channels": 3, "width": 4, "layers": 1, "groups": 2} | changes)


def videos(**changes):
    plain = {"channels": 3, "width": 4, "layers": 2, "halvings": 1, "groups": 2}
    return VideoPatchDiscriminator(**plain | changes)


def test_every_frame_is_judged_as_the_picture_that_it_is():
    inner = pictures()
    part, clip = FramesDiscriminator(pictures=inner), torch.randn(2, 3, 5, 8, 10)
    (verdict,) = part(clip)
    assert verdict.logits.shape == (2, 1, 5, 2, 3) and part.extents == (1, 6, 6)
    for frame in range(5):
        (alone,) = inner(clip[:, :, frame])
        torch.testing.assert_close(verdict.logits[:, :, frame], alone.logits, rtol=0, atol=1e-5)
        for layer, own in zip(verdict.features, alone.features, strict=True):
            torch.testing.assert_close(layer[:, :, frame], own, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("frames", "halvings", "logits"), [(1, 1, 1), (2, 1, 1), (9, 1, 5), (9, 2, 3), (17, 2, 5), (9, 0, 9)]
)
def test_any_number_of_frames_has_a_logit_a_patch(frames, halvings, logits):
    (verdict,) = videos(halvings=halvings)(torch.randn(1, 3, frames, 16, 24))
    assert verdict.logits.shape == (1, 1, logits, 2, 4)
    assert [layer.shape[1] for layer in verdict.features] == [4, 8, 16]


def test_frames_out_of_order_are_seen_by_the_one_that_has_time_and_not_by_the_other():
    clip, order = torch.randn(1, 3, 5, 12, 12), [3, 1, 4, 0, 2]
    part = videos(halvings=0)
    (one,), (other,) = part(clip), part(clip[:, :, order])
    assert not torch.allclose(one.logits[:, :, order], other.logits, atol=1e-5)
    part = FramesDiscriminator(pictures=pictures())
    (one,), (other,) = part(clip), part(clip[:, :, order])
    torch.testing.assert_close(one.logits[:, :, order], other.logits, rtol=0, atol=1e-5)


def test_at_one_frame_its_middle_kernels_are_the_published_patch_gan():
    """A single frame between zeros meets the middle of each kernel of three alone."""
    theirs, ours = pictures(width=64, layers=3, groups=32), videos(width=64, layers=3, halvings=0, groups=32)
    with torch.no_grad():
        for layer, own in zip(theirs.body, ours.body, strict=True):
            if isinstance(layer, torch.nn.Conv2d):
                own.weight[:, :, 1] = layer.weight
            if getattr(layer, "bias", None) is not None:
                own.bias.copy_(layer.bias)
        frame = torch.randn(1, 3, 32, 32)
        (expected,), (found,) = theirs(frame), ours(frame[:, :, None])
    torch.testing.assert_close(found.logits[:, :, 0], expected.logits, rtol=1e-4, atol=1e-5)


def test_padding_of_a_batch_is_never_judged_and_short_videos_are_not_lengthened():
    part = adversary(discriminator=video_discriminators())
    long, short = torch.randn(1, 3, 5, 12, 12), torch.randn(1, 3, 2, 12, 9)
    padded = torch.cat([long, F.pad(short, (0, 3, 0, 0, 0, 3), value=9.0)])
    found = part.judge(padded, torch.tensor([[5, 12, 12], [2, 12, 9]]))
    # Frames of nine pixels are judged with black to twelve, as both discriminators need; two frames stay two.
    alone = [part.judge(long, None), part.judge(F.pad(short, (0, 3)), None)]
    for member, logits in enumerate(found.logits):
        expected = torch.cat([judgement.logits[member] for judgement in alone])
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def test_what_cannot_judge_videos_is_named():
    with pytest.raises(ValueError, match=r"needs frames of at least 12 x 12, got \(16, 8\)"):
        videos()(torch.randn(1, 3, 5, 16, 8))
    with pytest.raises(ValueError, match="halvings 3 and groups 2"):
        videos(halvings=3)
    with pytest.raises(ValueError, match="pictures has axes 3"):
        FramesDiscriminator(pictures=pictures(axes=3))


@pytest.mark.parametrize("channels", [1, 3])
def test_one_frame_is_judged_in_bfloat16_as_in_float32_whatever_memory_holds(channels):
    discriminator = VideoPatchDiscriminator(channels=channels, width=8, layers=1, halvings=1, groups=4)
    frame = torch.rand(2, channels, 1, 12, 12) * 2 - 1
    (exact,) = discriminator(frame)
    # What a kernel reads without having written it is then no number.
    for _ in range(20):
        freed = [torch.full((2**power,), float("nan"), dtype=torch.bfloat16) for power in range(6, 17)]
        del freed
        with torch.autocast("cpu", torch.bfloat16):
            (rough,) = discriminator(frame)
        assert torch.allclose(rough.logits.float(), exact.logits, atol=0.05)
