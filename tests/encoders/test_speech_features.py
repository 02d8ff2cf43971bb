"""Features that stand still: a layer of a recognizer, to the bit, and what leads them."""

import pytest
import torch
from torch import Tensor

from signaltok.decoders.text import TextDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.encoders.speech import SpeechEncoder
from signaltok.encoders.speech_features import SpeechFeatures
from signaltok.layers.extent import Extent
from signaltok.layers.residual_convolutions import ResidualConvolutions
from signaltok.layers.spec_augment import SpecAugment
from signaltok.objectives.ctc import Ctc
from signaltok.objectives.objective import Objective
from signaltok.objectives.pixel import SquaredError
from signaltok.objectives.tower import TaughtTower
from signaltok.quantizers.ctc import CtcQuantizer
from signaltok.text.spelling import CharacterSpelling
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction

FRONT = {
    "axes": 1, "channels": 1, "sample_rate": 8000, "size": 32, "transform": 32, "hop": 16, "bins": 4, "floor": 1e-3,
    "momentum": 0.1,
}  # fmt: skip


def trunk(depth: int, width: int = 6) -> ResidualConvolutions:
    return ResidualConvolutions(inputs=4, width=width, strides=[2], stem_kernel=3, depth=depth, kernel=3, momentum=0.1)


def recognizer() -> SpeechEncoder:
    torch.manual_seed(0)
    augmentation = SpecAugment(bands=1, band_bins=2, stretches=1, stretch_share=0.5)
    made = SpeechEncoder(**FRONT, augmentation=augmentation, trunk=trunk(3), width=6, latent_dim=3)
    made(signal(), None)  # statistics of a batch
    return made


def features(depth: int = 2, **changes) -> SpeechFeatures:
    return SpeechFeatures(**FRONT | {"trunk": trunk(depth), "latent_dim": 6} | changes)


def signal() -> Tensor:
    return torch.rand(2, 1, 640, generator=torch.Generator().manual_seed(1)) - 0.5


def test_they_are_the_recognizer_s_at_a_layer_in_training_too():
    taught, found = recognizer(), features()
    found.follow(taught)
    taught.eval()
    with torch.no_grad():
        x, extent = signal(), Extent(None, None)
        for layer in (taught.trunk.spectra, taught.trunk.normalise):
            x = layer(x, extent=extent)
        for layer in taught.trunk.trunk.layers.ordered[:-1]:  # a stem and two of three blocks
            x = layer(x, extent=extent)
    before = {name: tensor.clone() for name, tensor in found.state_dict().items()}
    assert torch.equal(found.train()(signal(), None), x)
    assert all(torch.equal(tensor, before[name]) for name, tensor in found.state_dict().items())
    assert not any(parameter.requires_grad for parameter in found.parameters())


@pytest.mark.parametrize(
    ("changes", "other", "message"),
    [
        ({"trunk": trunk(4)}, recognizer, r"lacks trunk\.trunk\.layers\.block3.*no more blocks"),
        ({"trunk": trunk(2, 5), "latent_dim": 5}, recognizer, r"lacks .* of shape \(5, 4, 3\)"),
        ({"floor": 1e-2}, recognizer, r"spectra with floor 0\.001, encoder\.floor is 0\.01"),
        (
            {},
            lambda: ConvEncoder(axes=1, channels=1, stride=2, widths=[4], depth=1, latent_dim=6),
            "ConvEncoder is not a recognizer with these layers",
        ),
    ],
)
def test_what_is_no_such_recognizer_is_named(changes, other, message):
    with pytest.raises(ValueError, match=message):
        features(**changes).follow(other())


def tower(path: str | None = None) -> TaughtTower:
    term = Ctc(spelling=CharacterSpelling(symbols="ab"), per="token", unfit="error")
    return TaughtTower(encoder=recognizer(), term=term, until=0.5, path=path, checkpoint="last")


def test_they_follow_the_tower_of_the_objective_until_it_stands_still():
    objective = Objective(terms={"tower": tower()}, weights={"tower": 1.0}).train()
    taught, found = objective.terms["tower"], features()
    objective.lead(found)
    assert not taught.settled.training and taught.encoder.training
    batch = Batch(signal=signal(), keys=("a", "b"), text=("ab", "b"))
    seen = []
    for step in range(4):
        objective.advance(step / 4)
        z = found(batch.signal, None)
        objective.zero_grad()
        objective(batch, Reconstruction(batch.signal, Quantized(z_q=z, codes=()), z))[0].backward()
        with torch.no_grad():
            for parameter in taught.encoder.parameters():
                parameter.sub_(0.1 * parameter.grad + 0.01)
        seen.append(found(batch.signal, None))
    assert not torch.equal(seen[0], seen[1]) and torch.equal(seen[1], seen[3])
    assert torch.equal(found.trunk.normalise.mean, taught.settled.trunk.normalise.mean)


def test_without_a_tower_there_is_no_such_run():
    objective = Objective(terms={"pixels": SquaredError()}, weights={"pixels": 1.0})
    objective.lead(recognizer())
    with pytest.raises(ValueError, match=r"SpeechFeatures, which learns nothing itself.*objective=units"):
        objective.lead(features())


def test_a_trained_recognizer_stands_in_for_the_tower_from_the_first_step(tmp_path):
    taught = Tokenizer(
        encoder=recognizer(), quantizer=CtcQuantizer(latent_dim=3), value_range=[-1.0, 1.0], block=640,
        decoder=TextDecoder(axes=1, channels=1, stride=32, latent_dim=3, spelling=CharacterSpelling(symbols="ab")),
        sample_rate=8000,
    )  # fmt: skip
    taught.save(tmp_path / "recognizer")
    objective = Objective(terms={"tower": tower(str(tmp_path / "recognizer"))}, weights={"tower": 1.0})
    found, wanted = features(), features()
    objective.lead(found)
    wanted.follow(taught.encoder)
    assert torch.equal(found(signal(), None), wanted(signal(), None))
    assert objective.terms["tower"].needs == frozenset()
    batch = Batch(signal=signal(), keys=("a", "b"))
    total, raw = objective(batch, Reconstruction(batch.signal, Quantized(z_q=batch.signal, codes=()), batch.signal))
    total.backward()
    assert float(raw["tower"]) == 0 and all(p.grad is not None for p in objective.terms["tower"].encoder.parameters())
    with pytest.raises(ValueError, match=r"there is no .*nowhere"):
        tower(str(tmp_path / "nowhere"))
