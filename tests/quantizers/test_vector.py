"""The codebook quantizer: what the laws, which hold for every quantizer, do not say."""

import pytest
import torch
from plain import vector
from torch import Tensor
from torch.nn import functional as F
from vector_quantize_pytorch import VectorQuantize

from signaltok.data.read_image import read_image
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.update import ExponentialMovingAverage, Gradient
from signaltok.quantizers.codebook.vector import VectorQuantizer


def patches(photos, side: int, dim: int) -> Tensor:
    """[1, dim, h, w]: the first `dim` values of each patch of a photograph."""
    picture = read_image(photos / "canyon0.jpg")[None, :, :128, :128]
    return F.pixel_unshuffle(picture, side)[:, :dim].contiguous()


def test_projections_exist_only_where_widths_differ() -> None:
    assert not list(vector().parameters())
    assert {name for name, _ in vector(codebook_dim=3).named_parameters()} == {
        "project_in.weight",
        "project_in.bias",
        "project_out.weight",
        "project_out.bias",
    }


def test_the_commitment_is_the_mean_square_to_the_vectors_used() -> None:
    quantizer = vector().train()
    quantizer(torch.randn(2, 4, 5, 5))
    before, z = quantizer.table.vectors.clone(), torch.randn(2, 4, 5, 5, requires_grad=True)
    quantized = quantizer(z)
    q = before[quantized.codes[0]].movedim(-1, 1)
    assert torch.equal(quantized.z_q, q), "this batch is quantized with the vectors before its own update"
    expected = (z - q).square().mean()
    assert torch.allclose(quantized.losses["commitment"], expected)
    (gradient,) = torch.autograd.grad(quantized.losses["commitment"], z)
    assert torch.allclose(gradient, 2 * (z - q) / z.numel())


def test_cosine_commitment_and_vectors_live_on_the_sphere() -> None:
    quantizer = vector(metric="cosine").train()
    z = 10 * torch.randn(2, 4, 5, 5)
    for _ in range(3):
        quantized = quantizer(z)
        assert torch.allclose(quantized.z_q.norm(dim=1), torch.ones(2, 5, 5), atol=1e-5)
        expected = (F.normalize(z, dim=1) - quantized.z_q).square().mean()
        assert torch.allclose(quantized.losses["commitment"], expected)


@pytest.mark.parametrize("cosine", [False, True])
def test_codes_and_vectors_of_real_patches_equal_the_library(photos, cosine: bool) -> None:
    z = patches(photos, 4, 8)
    quantizer = vector(latent_dim=8, codebook_dim=8, codebook_size=128, metric="cosine" if cosine else "euclidean")
    for _ in range(5):
        quantizer.train()(z)
    quantizer.eval()
    peer = VectorQuantize(dim=8, codebook_size=128, use_cosine_sim=cosine, accept_image_fmap=True).eval()
    peer._codebook.embed.copy_(quantizer.table.vectors[None])
    expected, codes, _ = peer(z)
    quantized = quantizer(z)
    # Patches of sky are all but equal, so codes are compared where float32 can tell the nearest from the next.
    rows = z.flatten(2)[0].T
    two = torch.cdist(
        (F.normalize(rows, dim=1) if cosine else rows).double(), quantizer.table.vectors.double()
    ).square()
    two = two.topk(2, largest=False)
    clear = (two.values[:, 1] - two.values[:, 0] > 2e-6).view(1, *z.shape[2:])
    assert clear.double().mean() > 0.5
    assert torch.equal(quantized.codes[0][clear], two.indices[:, 0].view(1, *z.shape[2:])[clear])
    assert torch.equal(quantized.codes[0][clear], codes[clear])
    assert torch.equal(quantized.z_q.masked_select(clear[:, None]), expected.masked_select(clear[:, None]))


def test_training_lowers_the_distortion_of_real_patches(photos) -> None:
    z = patches(photos, 4, 8)
    quantizer = vector(latent_dim=8, codebook_dim=8, codebook_size=64).train()
    losses = [float(quantizer(z).losses["commitment"]) for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]


def test_padding_alone_learns_nothing() -> None:
    quantizer = vector(revival=UsageRevival(threshold=0.5, every=1, until=1.0)).train()
    quantized = quantizer(torch.randn(2, 4, 3, requires_grad=True), torch.zeros(2, 1, 3, dtype=torch.bool))
    assert not quantizer.initialized and quantized.losses["commitment"].item() == 0
    assert not quantized.z_q.any()
    quantizer(torch.randn(2, 4, 3), torch.ones(2, 1, 3, dtype=torch.bool))
    assert quantizer.initialized


@pytest.mark.parametrize("update", [ExponentialMovingAverage(decay=0.9, epsilon=1e-5), Gradient(decay=0.9)])
def test_revival_brings_dead_codes_back_into_use(update) -> None:
    z = torch.randn(1, 4, 400)

    def used(revival: UsageRevival | None) -> int:
        torch.manual_seed(0)
        quantizer = vector(update=update, revival=revival).train()
        # One code amid the data, all others far away, where nothing finds them.
        quantizer.initialized.fill_(True)
        quantizer.table.start(torch.cat([torch.zeros(1, 4), 100 + torch.randn(15, 4)]))
        for _ in range(60):
            codes = quantizer(z).codes[0]
        return len(codes.unique())

    assert used(None) == 1
    assert used(UsageRevival(threshold=0.1, every=5, until=1.0)) == 16
    assert used(UsageRevival(threshold=0.1, every=5, until=0.0)) == 1


def test_revival_waits_where_a_batch_has_nothing_to_start_from() -> None:
    quantizer = vector(revival=UsageRevival(threshold=0.9, every=1, until=1.0)).train()
    quantizer(torch.randn(1, 4, 40))
    quantizer.table.counts[3:] = 0.01
    vectors = quantizer.table.vectors.clone()
    vectors[3:] = quantizer.table.sums[3:] / 0.01
    quantizer(torch.randn(2, 4, 3), torch.zeros(2, 1, 3, dtype=torch.bool))
    assert torch.allclose(quantizer.table.vectors, vectors, rtol=1e-2)


def test_a_resumed_quantizer_draws_what_an_uninterrupted_one_draws() -> None:
    def steps(quantizer: VectorQuantizer, first: int, last: int) -> None:
        for step in range(first, last):
            quantizer(torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(step)))

    torch.manual_seed(0)
    whole = vector(revival=UsageRevival(threshold=0.9, every=2, until=1.0)).train()
    steps(whole, 0, 4)
    torch.manual_seed(99)
    resumed = vector(revival=UsageRevival(threshold=0.9, every=2, until=1.0)).train()
    resumed.load_state_dict(whole.state_dict())
    steps(whole, 4, 9)
    torch.rand(7)
    steps(resumed, 4, 9)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebook_size": 1}, "got 1 and 4"),
        ({"codebook_dim": 0}, "got 16 and 0"),
        ({"metric": "manhattan"}, "manhattan"),
    ],
)
def test_arguments_out_of_range_are_refused_with_their_values(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vector(**changes)
