import pytest
import torch

from signaltok.quantizers.identity import IdentityQuantizer


@pytest.mark.parametrize("training", [True, False])
def test_the_latent_passes_unchanged_without_codes(training: bool) -> None:
    quantizer = IdentityQuantizer(latent_dim=4).train(training)
    z = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    quantized = quantizer(z)
    assert torch.equal(quantized.z_q, z)
    assert quantized.codes == () and quantized.losses == {} and quantizer.codebook_sizes == ()
    (gradient,) = torch.autograd.grad(quantized.z_q.sum(), z)
    assert torch.equal(gradient, torch.ones_like(z))


def test_asking_for_codes_names_what_to_use_instead() -> None:
    quantizer = IdentityQuantizer(latent_dim=4)
    with pytest.raises(ValueError, match=r"Tokenizer\.embed"):
        quantizer.encode(torch.zeros(1, 4, 2))
    with pytest.raises(ValueError, match="got 1 levels"):
        quantizer.decode((torch.zeros(1, 2, dtype=torch.int64),))
