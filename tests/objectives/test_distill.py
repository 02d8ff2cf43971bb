"""Distillation from a frozen teacher and from a tower of the run's own."""

import copy

import pytest
import torch
from torch import Tensor, nn

from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.objectives.distill import Distill
from signaltok.objectives.objective import Objective
from signaltok.objectives.teacher import FrozenTeacher, OwnTeacher, Teacher
from signaltok.objectives.tower import TaughtTower
from signaltok.parts import Encoder, Quantizer, Term
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction

SIZES = {"axes": 2, "channels": 3, "stride": 4, "widths": [8], "depth": 1}


class Fixed(Teacher):
    """The features it was given."""

    def __init__(self, *, values: list, mask: list | None = None) -> None:
        super().__init__()
        self.values, self.mask = torch.tensor(values), None if mask is None else torch.tensor(mask)
        self.width = self.values.shape[1]

    def features(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        return self.values, self.mask


class Pull(Term):
    """A contrast's stand-in: what it sees is to have a mean of one."""

    def check(self, quantizer: Quantizer) -> None:
        if quantizer.latent_dim != 6:
            raise ValueError(f"latent_dim is 6, but the quantizer's is {quantizer.latent_dim}")

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Tensor:
        return (reconstruction.quantized.z_q.mean() - 1).square()


def term(teacher: Teacher, **changes) -> Distill:
    sizes = {"axes": 2, "latent_dim": 4, "width": 8, "depth": 1, "heads": 2, "per": "position", "standardised": False}
    return Distill(**sizes | {"teacher": teacher} | changes)


def result(size=(2, 4, 2, 2), mask=None) -> Reconstruction:
    z = torch.randn(size, requires_grad=True)
    return Reconstruction(signal=z, quantized=Quantized(z_q=z, codes=()), latent=z, mask=mask)


def batch(size=(2, 3, 8, 8), lengths=None) -> Batch:
    signal = torch.rand(size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch(signal=signal, keys=("a", "b"), lengths=lengths)


def tokenizer(**changes) -> Tokenizer:
    parts = SIZES | {"latent_dim": 6}
    return Tokenizer(
        encoder=ConvEncoder(**parts), decoder=ConvDecoder(**parts), value_range=[-1.0, 1.0], block=64, sample_rate=None,
        quantizer=FiniteScalarQuantizer(latent_dim=6, levels=[3, 3], estimator=StraightThrough()),
    )  # fmt: skip


def test_a_mean_that_all_features_share_counts_for_nothing_where_they_are_standardised():
    features = torch.tensor([[1.0, 2.0], [1.0, 4.0], [5.0, 6.0]])  # rows, of which the last is beyond the valid extent
    values = features.T.reshape(1, 2, 3, 1).tolist()
    mask = torch.tensor([True, True, False]).view(1, 1, 3, 1)
    lengths = torch.tensor([[3, 1]])
    for shift, standardised, wanted in ((100.0, False, 0.0), (100.0, True, 1.0), (0.0, True, 1.0)):
        shifted = (torch.tensor(values) + shift).tolist()
        made = term(Fixed(values=shifted, mask=mask.tolist()), standardised=standardised, depth=0)
        made.project.weight.data.zero_()
        made.project.bias.data.fill_(1.0)  # what is decoded is a constant, as all features nearly are with the shift
        loss = made(batch((1, 3, 12, 4), lengths), result((1, 4, 3, 1), mask))
        # Standardised, the valid rows are (0, -1) and (0, 1): cosines of -1 / sqrt(2) and 1 / sqrt(2).
        assert loss.item() == pytest.approx(wanted, abs=1e-4)


def test_features_that_point_as_the_teacher_s_cost_nothing_and_against_them_two():
    made, given = term(Fixed(values=torch.zeros(2, 5, 2, 2).tolist())), result()
    with torch.no_grad():
        decoded = made.decoded(given.quantized.z_q, None)
    for factor, value in ((3.0, 0.0), (-0.5, 2.0)):
        made.teacher.values = factor * decoded
        torch.testing.assert_close(float(made(batch(), given).detach()), value, atol=1e-6, rtol=0)
    made.teacher.values = torch.randn(2, 5, 2, 2)
    cosine = (decoded * made.teacher.values).sum(1) / decoded.norm(dim=1) / made.teacher.values.norm(dim=1)
    torch.testing.assert_close(made(batch(), given).detach(), 1 - cosine.mean())


def test_padding_has_neither_value_nor_gradient():
    mask = torch.ones(2, 1, 2, 2, dtype=torch.bool)
    mask[1, :, 1] = False
    made, given = term(Fixed(values=torch.randn(2, 5, 2, 2).tolist())), result(mask=mask)
    value = made(batch(), given)
    cut = Reconstruction(
        signal=given.signal[1:, :, :1], latent=given.latent[1:, :, :1],
        quantized=Quantized(z_q=given.quantized.z_q[1:, :, :1], codes=()),
    )  # fmt: skip
    whole = made.teacher.values
    parts = []
    for one, values in ((given, whole), (cut, whole[1:, :, :1])):
        alone = copy.deepcopy(made)
        alone.teacher.values = values if one is cut else values[:1]
        z = one.quantized.z_q if one is cut else one.quantized.z_q[:1]
        parts.append(float(alone(batch(), Reconstruction(z, Quantized(z_q=z, codes=()), z)).detach()))
    torch.testing.assert_close(float(value.detach()), (4 * parts[0] + 2 * parts[1]) / 6)
    value.backward()
    gradient = given.latent.grad
    assert not bool(gradient[1, :, 1].any()) and bool(gradient[1, :, 0].all()) and bool(gradient[0].all())


def test_per_item_both_are_means_over_their_own_valid_positions():
    mask = torch.tensor([[[True, True, True]], [[True, False, False]]])
    made = term(Fixed(values=torch.randn(2, 5, 3).tolist(), mask=mask.tolist()), per="item")
    given = result(mask=torch.ones(2, 1, 2, 2, dtype=torch.bool))
    decoded = made.decoded(given.quantized.z_q, given.mask).mean((2, 3))
    target = torch.stack([made.teacher.values[0].mean(1), made.teacher.values[1, :, 0]])
    cosine = torch.nn.functional.cosine_similarity(decoded, target)
    torch.testing.assert_close(made(batch(), given), 1 - cosine.mean())


def test_another_grid_is_named():
    made = term(Fixed(values=torch.zeros(2, 5, 1, 1).tolist()))
    with pytest.raises(ValueError, match=r"a grid of \(1, 1\), the encoder one of \(2, 2\); give both the same stride"):
        made(batch(), result())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"per": "picture"}, "per is 'picture'; it is one of position, item"),
        ({"heads": 3}, "width 8 must be a multiple"),
    ],
)
def test_impossible_values_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        term(Fixed(values=[[[1.0]]]), **changes)
    with pytest.raises(ValueError, match=r"latent_dim is 4, but the quantizer's is 6; set it to"):
        term(Fixed(values=[[[1.0]]])).check(IdentityQuantizer(latent_dim=6))


def test_a_frozen_teacher_gives_what_the_folder_embeds_and_is_held_out_of_sight(tmp_path):
    taught = tokenizer()
    taught.save(tmp_path / "teacher")
    teacher = FrozenTeacher(path=str(tmp_path / "teacher"), checkpoint="best", value_range=[-1.0, 1.0])
    features, mask = teacher.features(batch())
    assert mask is None and teacher.width == 6
    torch.testing.assert_close(features.flatten(2).transpose(1, 2), taught.embed(batch().signal))
    made = term(teacher)
    owned = {name.split(".")[0] for name, _ in made.named_parameters()}
    assert owned == {"embed", "transformer", "project"} == {name.split(".")[0] for name in made.state_dict()}
    assert copy.deepcopy(made).teacher._encoder is teacher._encoder
    made(batch(), result()).backward()
    assert all(parameter.grad is None for parameter in teacher._encoder.on(torch.device("cpu")).parameters())
    lengths = torch.tensor([[8, 8], [4, 3]])
    padded = batch(lengths=lengths)
    features, mask = teacher.features(padded)
    assert mask[1].flatten().tolist() == [True, False, False, False]
    alone, _ = teacher.features(Batch(signal=padded.signal[1:, :, :4, :3], keys=("b",)))
    torch.testing.assert_close(features[1:, :, :1, :1], alone)


def test_a_frozen_teacher_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(ValueError, match="needs a path: a run, such as outputs/latest"):
        FrozenTeacher(path=None, checkpoint="best", value_range=[-1.0, 1.0])
    with pytest.raises(ValueError, match=r"there is no .*nowhere; give a run"):
        FrozenTeacher(path=str(tmp_path / "nowhere"), checkpoint="best", value_range=[-1.0, 1.0])
    tokenizer().save(tmp_path / "teacher")
    with pytest.raises(ValueError, match=r"reads values in \(-1\.0, 1\.0\), this run's are in \(0\.0, 1\.0\)"):
        FrozenTeacher(path=str(tmp_path / "teacher"), checkpoint="best", value_range=[0.0, 1.0])
    teacher = FrozenTeacher(path=str(tmp_path / "teacher"), checkpoint="best", value_range=[-1.0, 1.0])
    with pytest.raises(ValueError, match="takes 3 channels and 2 axes"):
        teacher.features(batch((2, 1, 8, 8)))


def own(until=0.5) -> Objective:
    torch.manual_seed(3)
    tower = TaughtTower(
        encoder=ConvEncoder(**SIZES, latent_dim=6), term=Pull(), until=until, path=None, checkpoint="last"
    )
    return Objective(
        terms={"distill": term(OwnTeacher(term="tower", layer=None, width=6)), "tower": tower},
        weights={"distill": 1.0, "tower": 1.0},
    )


def test_an_own_tower_learns_until_its_share_of_the_run_and_then_stands_still():
    objective = own()
    tower, distill = objective.terms["tower"], objective.terms["distill"]
    parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    features, losses = [], []
    for step in range(6):
        objective.advance(step / 6)
        objective.zero_grad()
        total, raw = objective(batch(), result())
        total.backward()
        assert all(parameter.grad is not None for parameter in parameters), "every parameter, in every step"
        before = copy.deepcopy(tower.encoder)
        with torch.no_grad():
            for parameter in parameters:  # with a decay of the weights, which moves what has no gradient
                parameter.sub_(0.05 * parameter.grad + 0.001 * parameter)
        losses.append(float(raw["tower"]))
        features.append(distill.teacher.features(batch())[0])
        if step < 3:
            torch.testing.assert_close(features[-1], before(batch().signal, None).detach())
    assert losses[0] > losses[1] > losses[2] > 0 and losses[3:] == [0.0] * 3
    assert not torch.equal(features[1], features[2])
    assert all(torch.equal(features[2], later) for later in features[3:])
    # It goes on after a resume, where it stood.
    other = own()
    other.load_state_dict(objective.state_dict())
    assert torch.equal(other.terms["distill"].teacher.features(batch())[0], features[2])


def test_a_semantic_part_is_taught_alone_and_gives_the_rest_no_gradient():
    made, given = term(Fixed(values=torch.randn(2, 5, 2, 2).tolist())), result()
    semantic = torch.randn(2, 4, 2, 2, requires_grad=True)
    z = given.latent
    apart = Reconstruction(signal=z, quantized=Quantized(z_q=z, codes=(), semantic=semantic), latent=z, mask=None)
    alone = Reconstruction(signal=z, quantized=Quantized(z_q=semantic, codes=()), latent=z, mask=None)
    value = made(batch(), apart)
    torch.testing.assert_close(value, made(batch(), alone))
    value.backward()
    assert z.grad is None and bool(semantic.grad.all())


def test_a_layer_of_the_tower_follows_it_and_another_encoder_is_refused():
    with pytest.raises(ValueError, match="layer is a ConvEncoder, which learns its own weights"):
        OwnTeacher(term="tower", layer=ConvEncoder(**SIZES, latent_dim=6), width=6)

    class Doubled(Encoder):
        """Twice what the encoder gives that it follows."""

        led, axes, channels, latent_dim, stride, receptive_field = True, 2, 3, 6, (4, 4), None

        def __init__(self) -> None:
            super().__init__()
            self.encoder = ConvEncoder(**SIZES, latent_dim=6).requires_grad_(False)

        def forward(self, signal: Tensor, lengths: Tensor | None) -> Tensor:
            return 2 * self.encoder(signal, lengths)

        def follow(self, other: Encoder) -> None:
            self.encoder.load_state_dict(other.state_dict())

    tower = TaughtTower(
        encoder=ConvEncoder(**SIZES, latent_dim=6), term=Pull(), until=0.5, path=None, checkpoint="last"
    )
    made = term(OwnTeacher(term="tower", layer=Doubled(), width=6))
    objective = Objective(terms={"distill": made, "tower": tower}, weights={"distill": 1.0, "tower": 1.0})
    for share in (0.0, 0.5):
        objective.advance(share)
        with torch.no_grad():
            next(tower.encoder.parameters()).add_(0.1)
        tower(batch(), result())
        wanted = 2 * tower.settled(batch().signal, None)
        assert torch.equal(made.teacher.features(batch())[0], wanted)


def test_the_codes_learn_from_the_tower_and_the_tower_not_from_the_codes():
    objective = own()
    given = result()
    objective.terms["distill"](batch(), given).backward()
    assert bool(given.latent.grad.any())
    assert all(parameter.grad is None for parameter in objective.terms["tower"].parameters())


def test_a_copy_of_the_objective_learns_from_its_own_tower():
    objective = own()
    twin = copy.deepcopy(objective)
    assert twin.terms["distill"].teacher._towers == (twin.terms["tower"],)
    assert isinstance(twin.terms["tower"], nn.Module) and twin.terms["tower"] is not objective.terms["tower"]


def test_a_tower_that_is_not_there_is_named():
    def objective(name: str, width: int = 6) -> Objective:
        tower = TaughtTower(
            encoder=ConvEncoder(**SIZES, latent_dim=6), term=Pull(), until=0.5, path=None, checkpoint="last"
        )
        made = term(OwnTeacher(term=name, layer=None, width=width))
        return Objective(terms={"tower": tower, "distill": made}, weights={"tower": 1.0, "distill": 1.0})

    with pytest.raises(
        ValueError, match=r"objective\.terms\.distill: the teacher is the term 'towr', which is none of"
    ):
        objective("towr")
    with pytest.raises(ValueError, match=r"'distill', which is a Distill; name a signaltok\.objectives\.tower"):
        objective("distill")
    with pytest.raises(ValueError, match="said to be 5 wide, but are 6"):
        objective("tower", width=5)
    with pytest.raises(ValueError, match="until is 0"):
        TaughtTower(encoder=ConvEncoder(**SIZES, latent_dim=6), term=Pull(), until=0.0, path=None, checkpoint="last")
    wrong = TaughtTower(
        encoder=ConvEncoder(**SIZES, latent_dim=5), term=Pull(), until=0.5, path=None, checkpoint="last"
    )
    with pytest.raises(ValueError, match="latent_dim is 6, but the quantizer's is 5"):
        wrong.check(IdentityQuantizer(latent_dim=8))
