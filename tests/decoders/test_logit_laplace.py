"""The decoder that gives a distribution, and the likelihood that reads it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import Laplace, SigmoidTransform, TransformedDistribution

from signaltok.decoders.conv import ConvDecoder
from signaltok.decoders.logit_laplace import LogitLaplaceDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.layers.logit_laplace import from_interval, negative_log_likelihood, to_interval
from signaltok.objectives.logit_laplace import LogitLaplaceLikelihood
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch


def decoder(channels: int = 6) -> LogitLaplaceDecoder:
    inner = ConvDecoder(axes=2, channels=channels, stride=4, widths=[8], depth=1, latent_dim=4)
    return LogitLaplaceDecoder(decoder=inner, channels=3, value_range=[-1.0, 1.0])


def tokenizer() -> Tokenizer:
    return Tokenizer(
        encoder=ConvEncoder(axes=2, channels=3, stride=4, widths=[8], depth=1, latent_dim=4),
        quantizer=IdentityQuantizer(latent_dim=4),
        decoder=decoder(),
        value_range=(-1.0, 1.0),
        block=64,
        sample_rate=None,
    )


def pictures(*size: int) -> Tensor:
    return torch.rand(2, 3, *size) * 2 - 1


def test_the_interval_keeps_a_margin_of_a_tenth_and_comes_back() -> None:
    signal = torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 3)
    assert torch.allclose(to_interval(signal, -1.0, 1.0), torch.tensor([0.1, 0.5, 0.9]).view(1, 1, 3))
    assert torch.allclose(from_interval(to_interval(signal, -1.0, 1.0), -1.0, 1.0), signal)


def test_the_likelihood_is_that_of_a_laplace_variable_behind_a_sigmoid() -> None:
    x = torch.rand(2, 3, 4, dtype=torch.float64) * 0.8 + 0.1
    location, log_scale = torch.randn(2, 3, 4).double(), torch.randn(2, 3, 4).double()
    peer = TransformedDistribution(Laplace(location, log_scale.exp()), [SigmoidTransform()])
    torch.testing.assert_close(negative_log_likelihood(x, location, log_scale), -peer.log_prob(x))


def test_the_density_integrates_to_one() -> None:
    x = torch.linspace(0, 1, 200_001, dtype=torch.float64)[1:-1].view(1, 1, -1)
    location, log_scale = torch.full_like(x, 0.7), torch.full_like(x, -0.5)
    total = torch.exp(-negative_log_likelihood(x, location, log_scale)).mean()
    assert float(total) == pytest.approx(1, abs=1e-3)


def test_the_signal_is_the_sigmoid_of_the_location_and_twice_the_channels_come_along() -> None:
    part, z_q = decoder(), torch.randn(2, 4, 3, 5)
    signal, likelihood = part.learn(z_q, None)
    assert likelihood.shape == (2, 6, 12, 20) and signal.shape == (2, 3, 12, 20)
    assert torch.equal(part(z_q, None), signal)
    assert torch.allclose(to_interval(signal, -1.0, 1.0), likelihood[:, :3].sigmoid(), atol=1e-6)
    # Under autocast too the sigmoid and what follows are float32.
    with torch.autocast("cpu", torch.bfloat16):
        assert all(x.dtype == torch.float32 for x in part.learn(z_q, None))


def test_a_decoder_without_the_second_half_is_refused() -> None:
    with pytest.raises(ValueError, match=r"so 6, but gives 3; set decoder\.decoder\.channels=6"):
        decoder(3)


def test_the_term_is_the_mean_over_what_the_decoder_gave() -> None:
    model, signal = tokenizer().train(), pictures(9, 7)
    result = model(signal)
    assert result.likelihood.shape == (2, 6, 9, 7)
    value = LogitLaplaceLikelihood(value_range=[-1.0, 1.0])(Batch(signal=signal, keys=("a", "b")), result)
    location, log_scale = result.likelihood[:, :3], result.likelihood[:, 3:]
    expected = negative_log_likelihood(to_interval(signal, -1.0, 1.0), location, log_scale).mean()
    torch.testing.assert_close(value, expected)
    value.backward()
    assert all(parameter.grad is not None for parameter in model.decoder.parameters())


def test_padding_counts_neither_in_value_nor_in_gradient() -> None:
    model, signal = tokenizer().train(), pictures(9, 7)
    lengths = torch.tensor([[9, 7], [4, 3]])
    result = model(signal, lengths)
    assert result.likelihood is not None
    likelihood = result.likelihood.detach().clone()
    likelihood[1, :, 4:], likelihood[1, :, :, 3:] = float("nan"), float("inf")
    signal[1, :, 4:], signal[1, :, :, 3:] = float("nan"), float("inf")
    likelihood.requires_grad_()
    batch = Batch(signal=signal, keys=("a", "b"), lengths=lengths)
    value = LogitLaplaceLikelihood(value_range=[-1.0, 1.0])(batch, replace(result, likelihood=likelihood))
    x = to_interval(signal, -1.0, 1.0)
    each = negative_log_likelihood(x, likelihood[:, :3], likelihood[:, 3:])
    torch.testing.assert_close(value, torch.cat([each[0].flatten(), each[1, :, :4, :3].flatten()]).mean())
    (gradient,) = torch.autograd.grad(value, likelihood)
    assert bool(gradient.isfinite().all())
    assert not gradient[1, :, 4:].any() and not gradient[1, :, :, 3:].any() and bool(gradient[1, :, :4, :3].all())


def test_a_decoder_without_a_distribution_is_named() -> None:
    signal = pictures(8, 8)
    model = tokenizer()
    model.decoder = ConvDecoder(axes=2, channels=3, stride=4, widths=[8], depth=1, latent_dim=4)
    with pytest.raises(ValueError, match="set decoder=logit_laplace"):
        LogitLaplaceLikelihood(value_range=[-1.0, 1.0])(Batch(signal=signal, keys=("a", "b")), model.train()(signal))


def test_learning_the_scale_finds_the_mean_distance() -> None:
    # The best b of a Laplace distribution is the mean absolute distance from its location.
    x = torch.rand(1, 1, 2000, dtype=torch.float64) * 0.8 + 0.1
    log_scale = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    best = torch.logit(x).abs().mean().log()
    with torch.no_grad():
        log_scale.fill_(best)
    loss = negative_log_likelihood(x, torch.zeros_like(x), log_scale.expand_as(x)).mean()
    (gradient,) = torch.autograd.grad(loss, log_scale)
    assert abs(float(gradient)) < 1e-12
