"""Terms of pictures on frames of videos: spread over each, drawn anew, never of the padding."""

import pytest
import torch
from torch import Tensor

from signaltok.objectives.perceptual import EfficientNetPerceptual
from signaltok.objectives.sampled_frames import SampledFrames
from signaltok.parts import Quantizer, Term
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction


class Seen(Term):
    """Keeps the pictures that it is shown; their mean difference."""

    def check(self, quantizer: Quantizer) -> None:
        """Every quantizer will do."""

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Tensor:
        self.shown, self.lengths, self.keys = batch.signal, batch.lengths, batch.keys
        return (reconstruction.signal - batch.signal).mean()


def reconstructed(signal: Tensor) -> Reconstruction:
    latent = torch.zeros(len(signal), 1, 1)
    return Reconstruction(signal=signal, quantized=Quantized(z_q=latent, codes=()), latent=latent, mask=None)


def numbered(*frames: int) -> Tensor:
    """Frame n of a video shows n; those of the padding 100."""
    signal = torch.full((len(frames), 3, max(frames), 2, 2), 100.0)
    for item, many in zip(signal, frames, strict=True):
        item[:, :many] = torch.arange(float(many))[None, :, None, None]
    return signal


def test_the_frames_are_spread_over_each_video_and_drawn_anew():
    torch.manual_seed(0)
    inner = Seen()
    part, signal, seen = SampledFrames(term=inner, frames=3), numbered(9, 4), []
    batch = Batch(signal=signal, keys=("a", "b"), lengths=torch.tensor([[9, 2, 2], [4, 1, 2]]))
    for _ in range(40):
        assert part(batch, reconstructed(signal + 0.5)).item() == pytest.approx(0.5)
        seen.append(inner.shown[:, 0, 0, 0].view(2, 3))
    assert inner.keys == ("a", "a", "a", "b", "b", "b") and inner.lengths.tolist() == [[2, 2]] * 3 + [[1, 2]] * 3
    drawn = torch.stack(seen)
    stretches = [[{0, 1, 2}, {3, 4, 5}, {6, 7, 8}], [{0, 1}, {1, 2}, {2, 3}]]
    for item, own in enumerate(stretches):
        for number, stretch in enumerate(own):
            assert set(drawn[:, item, number].int().tolist()) == stretch
    again = SampledFrames(term=inner, frames=3)
    again.load_state_dict({name: value.clone() for name, value in part.state_dict().items()})
    part(batch, reconstructed(signal))
    one = inner.shown
    again(batch, reconstructed(signal))
    assert torch.equal(inner.shown, one), "what it draws next is in its state"


def test_a_perceptual_term_of_one_frame_is_that_of_the_picture_and_its_gradient_meets_that_frame_alone():
    torch.manual_seed(0)
    inner = EfficientNetPerceptual(value_range=[-1.0, 1.0], blocks=[0])
    signal = torch.rand(1, 3, 3, 32, 32) * 2 - 1
    decoded = (signal + 0.1 * torch.randn(signal.shape)).requires_grad_()
    value = SampledFrames(term=inner, frames=1)(Batch(signal=signal, keys=("a",)), reconstructed(decoded))
    value.backward()
    (time,) = decoded.grad.abs().sum((0, 1, 3, 4)).nonzero().flatten().tolist()
    alone = inner(Batch(signal=signal[:, :, time], keys=("a",)), reconstructed(decoded[:, :, time].detach()))
    assert value.item() == pytest.approx(alone.item(), rel=1e-5)


def test_what_has_no_frames_is_named():
    with pytest.raises(ValueError, match="frames is 0"):
        SampledFrames(term=Seen(), frames=0)
    picture = torch.rand(1, 3, 4, 4)
    with pytest.raises(ValueError, match=r"sampled frames are of videos .* \(1, 3, 4, 4\)"):
        SampledFrames(term=Seen(), frames=1)(Batch(signal=picture, keys=("a",)), reconstructed(picture))
