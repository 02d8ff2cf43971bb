"""What was learned of pictures goes on in videos: a single frame and a still give what the pictures gave."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from signaltok.decoders.conv import ConvDecoder
from signaltok.decoders.frames import FramesDecoder
from signaltok.decoders.video import VideoDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.encoders.frames import FramesEncoder
from signaltok.encoders.video import VideoEncoder
from signaltok.layers.front import Haar, Patches
from signaltok.layers.inflation import inflate, tie
from signaltok.layers.time_convolution import TimeConvolution
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.start import take_weights

WIDTHS, LATENT = [6, 10], 3


def joined(encoder: nn.Module, decoder: nn.Module) -> Tokenizer:
    quantizer = FiniteScalarQuantizer(latent_dim=LATENT, levels=[5, 5, 5], estimator=StraightThrough())
    built = Tokenizer(
        encoder=encoder, quantizer=quantizer, decoder=decoder, value_range=(-1.0, 1.0), block=64, sample_rate=None
    )
    for parameter in built.parameters():  # the layers along time begin by doing little
        nn.init.normal_(parameter, std=0.3)
    return built.eval()


def of_videos(front=None, widths=WIDTHS, channels=3) -> Tokenizer:
    shape = {"axes": 3, "channels": channels, "front": front or Patches(time=1, space=2), "time_strides": [2, 2]}
    rest = {"depth": 1, "time_kernel": 3, "latent_dim": LATENT}
    return joined(VideoEncoder(widths=widths, **shape, **rest), VideoDecoder(widths=widths[::-1], **shape, **rest))


def of_pictures(stride=4, depth=1) -> tuple[ConvEncoder, ConvDecoder]:
    shape = {"axes": 2, "channels": 3, "stride": stride, "depth": depth, "latent_dim": LATENT}
    return ConvEncoder(widths=WIDTHS, **shape), ConvDecoder(widths=WIDTHS[::-1], **shape)


def of_frames() -> Tokenizer:
    encoder, decoder = of_pictures()
    shape = {"axes": 3, "channels": 3, "latent_dim": LATENT}
    return joined(FramesEncoder(pictures=encoder, **shape), FramesDecoder(pictures=decoder, **shape))


def close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=0, atol=1e-12)


@torch.no_grad()
def test_a_frame_and_a_still_give_what_single_frames_gave_before():
    torch.manual_seed(0)
    model = of_videos().double()
    tie(model.decoder)  # as before each step with pictures
    frame = torch.rand(2, 3, 1, 8, 12, dtype=torch.float64) * 2 - 1
    still = frame.expand(-1, -1, 9, -1, -1).contiguous()
    latent = model.encoder(frame, None)
    picture = model.decoder(latent, None)[:, :, 3:]
    clip = torch.rand(1, 3, 9, 8, 8, dtype=torch.float64)
    before = model.encoder(clip, None)
    for part in (model.encoder, model.decoder):
        inflate(part)
    assert close(model.encoder(frame, None), latent)
    assert close(model.decoder(latent, None)[:, :, 3:], picture)
    cells = model.encoder(still, None)
    assert close(cells, latent.expand(-1, -1, 3, -1, -1))
    assert close(model.decoder(cells, None), picture.expand(-1, -1, 12, -1, -1))
    assert not close(model.encoder(clip, None), before)
    kernels = [layer.weighted.weight for layer in model.modules() if isinstance(layer, TimeConvolution)]
    assert kernels and not any(kernel[:, :, :-1].any() for kernel in kernels)


def test_a_tokenizer_of_pictures_begins_one_of_videos(tmp_path: Path):
    torch.manual_seed(0)
    pictures = joined(*of_pictures())
    pictures.save(tmp_path / "pictures")
    signal = torch.rand(1, 3, 8, 12) * 2 - 1
    codes = pictures.encode(signal)
    for model in (of_videos(), of_frames()):
        take_weights(model, tmp_path / "pictures", "last")
        for frames in (1, 5):
            still = signal[:, :, None].expand(-1, -1, frames, -1, -1).contiguous()
            stack = model.encode(still)
            assert torch.equal(stack.levels[0], codes.levels[0][:, None].expand_as(stack.levels[0]))
            expected = pictures.decode(codes)[:, :, None].expand_as(still)
            assert torch.allclose(model.decode(stack), expected, atol=1e-5)


def test_a_tokenizer_of_frames_begins_one_of_videos_too(tmp_path: Path):
    torch.manual_seed(0)
    frames, model = of_frames(), of_videos()
    frames.save(tmp_path / "frames")
    take_weights(model, tmp_path / "frames", "last")
    frame = torch.rand(1, 3, 1, 8, 8) * 2 - 1
    assert torch.equal(model.encode(frame).levels[0], frames.encode(frame).levels[0])
    again = of_frames()
    take_weights(again, tmp_path / "frames", "last")
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), frames.parameters(), strict=True))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (of_videos(front=Haar(levels=1)), r"VideoEncoder makes several frames one before its first layer"),
        (
            of_videos(widths=[6, 8]),
            r"decoder\.stages\.0\.0\.frame\.inner\.bias has shape \(10,\), expected \(8,\)",
        ),
        (of_videos(widths=WIDTHS, front=Patches(time=1, space=4)), "has shape"),
    ],
    ids=["haar", "widths", "stride"],
)
def test_pictures_that_have_no_likeness_are_refused(tmp_path: Path, model, message):
    joined(*of_pictures()).save(tmp_path / "pictures")
    with pytest.raises(ValueError, match=message):
        take_weights(model, tmp_path / "pictures", "last")


def test_what_has_no_likeness_is_named(tmp_path: Path):
    joined(*of_pictures(depth=2)).save(tmp_path / "deeper")
    with pytest.raises(ValueError, match=r"an unknown decoder\.stages\.0\.1\.inner\.bias"):
        take_weights(of_videos(), tmp_path / "deeper", "last")
    with pytest.raises(ValueError, match="FramesEncoder has no layers along time"):
        inflate(of_frames().encoder)
