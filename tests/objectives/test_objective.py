import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from signaltok.objectives.objective import Objective
from signaltok.objectives.pixel import AbsoluteError, SquaredError
from signaltok.objectives.quantizer_loss import QuantizerLoss
from signaltok.objectives.structural import StructuralDissimilarity
from signaltok.quantizers.codebook.estimator import StraightThrough
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction


def case(lengths=None, losses=None):
    signal = torch.rand(2, 3, 6, 5) * 2 - 1
    decoded = (torch.rand(2, 3, 6, 5) * 2 - 1).requires_grad_()
    batch = Batch(signal=signal, keys=("a", "b"), lengths=None if lengths is None else torch.tensor(lengths))
    latent = torch.zeros(2, 4, 1, 1)
    quantized = Quantized(z_q=latent, codes=(), losses=losses or {})
    return batch, Reconstruction(signal=decoded, quantized=quantized, latent=latent)


@pytest.mark.parametrize(
    ("term", "reference"),
    [(SquaredError(), torch.nn.functional.mse_loss), (AbsoluteError(), torch.nn.functional.l1_loss)],
)
def test_distance_is_the_mean_over_all_values(term, reference):
    batch, result = case()
    torch.testing.assert_close(term(batch, result), reference(result.signal, batch.signal))


@pytest.mark.parametrize("term", [SquaredError(), AbsoluteError()])
def test_padding_counts_neither_in_value_nor_in_gradient(term):
    batch, result = case(lengths=[[6, 5], [2, 3]])
    batch.signal[1, :, 2:] = float("nan")
    batch.signal[1, :, :, 3:] = float("inf")
    value = term(batch, result)
    difference = torch.cat(
        [(result.signal[0] - batch.signal[0]).flatten(), (result.signal - batch.signal)[1, :, :2, :3].flatten()]
    )
    expected = difference.square() if isinstance(term, SquaredError) else difference.abs()
    torch.testing.assert_close(value, expected.mean())
    value.backward()
    gradient = result.signal.grad
    assert gradient is not None and bool(gradient.isfinite().all())
    assert not bool(gradient[1, :, 2:].any()) and not bool(gradient[1, :, :, 3:].any())
    assert bool(gradient[1, :, :2, :3].all())


def test_total_is_the_weighted_sum_and_carries_the_gradient():
    commitment = torch.tensor(0.5, requires_grad=True)
    batch, result = case(losses={"commitment": commitment})
    objective = Objective(
        terms={"reconstruction": SquaredError(), "commitment": QuantizerLoss(name="commitment")},
        weights={"reconstruction": 2.0, "commitment": 0.1},
    )
    total, raw = objective(batch, result)
    assert set(raw) == {"reconstruction", "commitment"}
    torch.testing.assert_close(total, 2 * raw["reconstruction"] + 0.1 * raw["commitment"])
    assert not raw["commitment"].requires_grad
    total.backward()
    assert commitment.grad is not None and float(commitment.grad) == pytest.approx(0.1)
    assert result.signal.grad is not None and bool(result.signal.grad.any())


def test_values_in_half_precision_are_compared_in_float32():
    batch, result = case()
    half = Reconstruction(signal=result.signal.bfloat16(), quantized=result.quantized, latent=result.latent)
    assert SquaredError()(batch, half).dtype == torch.float32


@pytest.mark.parametrize(
    ("terms", "weights", "words"),
    [
        ({}, {}, "at least one term"),
        ({"reconstruction": SquaredError()}, {}, "reconstruction has no weight"),
        ({"pixel": SquaredError()}, {"pixel": 1.0, "commitment": 0.1}, "commitment has no term"),
        ({"pixel": SquaredError()}, {"pixel": float("nan")}, "weights.pixel must be a finite number"),
        ({"pixel": SquaredError()}, {"pixel": -1.0}, "got -1.0"),
    ],
)
def test_terms_and_weights_must_match(terms, weights, words):
    with pytest.raises(ValueError, match=words):
        Objective(terms=terms, weights=weights)


@pytest.mark.parametrize(
    "quantizer",
    [IdentityQuantizer(latent_dim=4), FiniteScalarQuantizer(latent_dim=4, levels=[3, 3], estimator=StraightThrough())],
)
def test_a_loss_that_the_quantizer_lacks_is_an_error_before_the_first_step(quantizer):
    objective = Objective(terms={"commit": QuantizerLoss(name="commitment")}, weights={"commit": 0.1})
    with pytest.raises(ValueError, match=r"objective\.terms\.commit: .*has no loss 'commitment'.*no losses of its own"):
        objective.check(quantizer)


def test_check_names_the_losses_there_are():
    class Two(IdentityQuantizer):
        def loss_names(self):
            return frozenset({"commitment", "codebook"})

    two = Two(latent_dim=4)
    QuantizerLoss(name="codebook").check(two)
    with pytest.raises(ValueError, match="its losses are codebook, commitment"):
        QuantizerLoss(name="entropy").check(two)


def test_a_loss_missing_from_a_forward_is_named():
    batch, result = case(losses={"codebook": torch.tensor(1.0)})
    with pytest.raises(ValueError, match=r"gave the losses \['codebook'\], not 'commitment'"):
        QuantizerLoss(name="commitment")(batch, result)


def pictures(height, width, lengths=None):
    signal = torch.rand(2, 3, height, width) * 2 - 1
    decoded = (signal + 0.3 * torch.randn(2, 3, height, width)).requires_grad_()
    batch = Batch(signal=signal, keys=("a", "b"), lengths=None if lengths is None else torch.tensor(lengths))
    latent = torch.zeros(2, 4, 1, 1)
    quantized = Quantized(z_q=latent, codes=(), losses={})
    return batch, Reconstruction(signal=decoded, quantized=quantized, latent=latent)


def test_structural_dissimilarity_is_one_minus_the_package_s_ssim():
    batch, result = pictures(20, 17)
    value = StructuralDissimilarity(value_range=[-1.0, 1.0])(batch, result)
    unit = [(signal.detach().double() + 1) / 2 for signal in (result.signal, batch.signal)]
    torch.testing.assert_close(
        float(value.detach()), 1 - float(structural_similarity_index_measure(*unit, data_range=1.0))
    )
    value.backward()
    assert result.signal.grad is not None and bool(result.signal.grad.all())


def test_structural_dissimilarity_leaves_padding_out():
    batch, result = pictures(20, 17, lengths=[[20, 17], [12, 13]])
    batch.signal[1, :, 12:], batch.signal[1, :, :, 13:] = float("nan"), float("inf")
    value = StructuralDissimilarity(value_range=[-1.0, 1.0])(batch, result)
    parts = [
        structural_similarity_index_measure(
            *((signal[item : item + 1, :, :h, :w].detach() + 1) / 2 for signal in (result.signal, batch.signal)),
            data_range=1.0,
        )
        for item, (h, w) in enumerate([(20, 17), (12, 13)])
    ]
    expected = 1 - (parts[0] * 340 + parts[1] * 156) / 496
    torch.testing.assert_close(value, expected)
    value.backward()
    gradient = result.signal.grad
    assert gradient is not None and bool(gradient.isfinite().all())
    assert not bool(gradient[1, :, 12:].any()) and not bool(gradient[1, :, :, 13:].any())


def test_structural_dissimilarity_names_pictures_under_its_window():
    batch, result = pictures(10, 17)
    with pytest.raises(ValueError, match=r"at least 11 x 11, got \(10, 17\); set data\.size higher"):
        StructuralDissimilarity(value_range=[-1.0, 1.0])(batch, result)
