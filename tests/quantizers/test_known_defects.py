"""What published audio quantizers get wrong: shown on the package that does, where it is here, and ours beside it."""

import pytest
import torch
from encodec.quantization.core_vq import EuclideanCodebook, ResidualVectorQuantization
from plain import residual as plain_residual
from plain import vector
from torch.nn import functional as F

from signaltok.quantizers.codebook.initialization import DataSample, KMeans
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.search import nearest
from signaltok.quantizers.codebook.update import Gradient
from signaltok.quantizers.codebook.vector import VectorQuantizer
from signaltok.quantizers.residual import ResidualQuantizer

FAR = 100.0


def residual(level: VectorQuantizer, count: int, dropout: float = 0.0, choices: list[int] | None = None):
    return plain_residual(level, num_codebooks=count, dropout=dropout, choices=choices).train()


def test_a_revived_code_outlives_the_average_and_is_used_in_the_next_step() -> None:
    z = torch.randn(1, 4, 400)
    theirs = EuclideanCodebook(dim=4, codebook_size=16, threshold_ema_dead_code=2).train()
    start = torch.cat([torch.zeros(1, 4), FAR + torch.randn(15, 4)])
    theirs.embed.copy_(start), theirs.embed_avg.copy_(start), theirs.cluster_size.fill_(1)
    theirs(z[0].T)
    # Their replacement is written over in the step that makes it.
    assert float(theirs.embed[1:].min()) > FAR / 2
    assert len(theirs(z[0].T)[1].unique()) == 1

    ours = vector(revival=UsageRevival(threshold=0.1, every=1, until=1.0)).train()
    ours.initialized.fill_(True)
    ours.table.start(start)
    ours.table.counts[1:] = 0
    ours(z)
    assert float(ours.table.vectors.abs().max()) < FAR / 2
    assert torch.allclose(ours.table.counts[1:], ours.table.counts.mean().expand(15), rtol=0.5)
    assert len(ours(z).codes[0].unique()) == 16


def test_few_vectors_a_step_do_not_make_codes_dead() -> None:
    # 100 vectors a step for 64 codes: a mean count of 1.6, so the usual threshold of 2 flags most of them for ever.
    quantizer = vector(4, 64, revival=UsageRevival(threshold=0.1, every=1, until=1.0)).train()
    flagged = []
    for step in range(120):
        quantizer(torch.randn(1, 4, 100, generator=torch.Generator().manual_seed(step)))
        if step >= 60:
            counts = quantizer.table.counts
            flagged.append([float((counts < limit).float().mean()) for limit in (2.0, 0.1 * float(counts.mean()))])
    absolute, relative = torch.tensor(flagged).mean(0).tolist()
    assert absolute > 0.6 and relative < 0.02, (absolute, relative)


def test_the_commitment_of_every_level_reaches_the_latent() -> None:
    dim, count, size = 4, 3, 16
    z = torch.randn(2, dim, 50)
    theirs = ResidualVectorQuantization(
        num_quantizers=count, dim=dim, codebook_size=size, kmeans_init=False, threshold_ema_dead_code=0
    ).train()
    for layer in theirs.layers:
        layer._codebook.embed.copy_(torch.randn(size, dim))
    latent = z.clone().requires_grad_()
    losses = theirs(latent)[2]
    norms = [float(torch.autograd.grad(loss, latent, retain_graph=True)[0].norm()) for loss in losses.flatten()]
    assert norms[0] > 0 and norms[1:] == [0.0, 0.0]

    for factorised in (False, True):
        level = vector(dim, size, **({"codebook_dim": 2, "metric": "angle"} if factorised else {}))
        quantizer = residual(level, count)
        quantizer(z)
        for number in range(count):
            # The commitment of all levels, less that of the levels before.
            commitments = []
            for kept in (number, number + 1):
                latent = z.clone().requires_grad_()
                loss = _commitments(quantizer, latent, kept)
                commitments.append(torch.autograd.grad(loss, latent)[0])
            assert float((commitments[1] - commitments[0]).norm()) > 1e-4, number


def _commitments(quantizer: ResidualQuantizer, latent: torch.Tensor, kept: int) -> torch.Tensor:
    """Of the first so many levels, by a stack cut to them."""
    if kept == 0:
        return (latent * 0).sum()
    state = {name: value.clone() for name, value in quantizer.state_dict().items()}
    part = residual(quantizer.arguments["level"], kept)
    part.load_state_dict({name: state[name] for name in part.state_dict()})
    return part(latent).losses["commitment"] * kept


@pytest.mark.parametrize("count", [1, 2, 8])
def test_the_encoder_receives_the_gradient_once_however_many_levels(count: int) -> None:
    quantizer = residual(vector(), count)
    z, upstream = torch.randn(2, 4, 50), torch.randn(2, 4, 50)
    quantizer(z)
    z.requires_grad_()
    (gradient,) = torch.autograd.grad(quantizer(z).z_q, z, upstream)
    assert torch.equal(gradient, upstream)


def test_levels_after_the_first_do_not_start_from_a_batch_of_which_nothing_was_left() -> None:
    # Fewer rows than codes: the first level takes every row as a code, and the next would start from zeros alone.
    for initialization in (DataSample(), KMeans(iterations=3)):
        quantizer = residual(vector(initialization=initialization), 3)
        batches = [torch.randn(1, 4, 12, generator=torch.Generator().manual_seed(step)) for step in range(3)]
        started = []
        for batch in batches:
            quantized = quantizer(batch)
            assert torch.isfinite(quantized.z_q).all()
            started.append([bool(level.initialized) for level in quantizer.levels])
        assert started == [[True, False, False], [True, True, False], [True, True, True]]
        assert all(len(level.table.vectors.unique(dim=0)) >= 10 for level in quantizer.levels)


def test_codes_that_started_from_one_row_come_apart() -> None:
    # k-means of 8 rows for 16 codes makes pairs, of which a search finds one alone.
    quantizer = vector(initialization=KMeans(iterations=5), revival=UsageRevival(threshold=0.1, every=5, until=1.0))
    quantizer.train()
    quantizer(torch.randn(1, 4, 8))
    pairs = torch.cdist(quantizer.table.vectors, quantizer.table.vectors) < 1e-3
    assert int(pairs.sum()) >= 32, "every code has a twin"
    for step in range(80):
        codes = quantizer(torch.randn(1, 4, 200, generator=torch.Generator().manual_seed(step))).codes[0]
    assert len(codes.unique()) == 16


@pytest.mark.parametrize("choices", [None, [1, 2, 4], [3, 4]])
def test_dropout_draws_every_choice_the_whole_stack_too(choices: list[int] | None) -> None:
    quantizer = residual(vector(), 4, dropout=1.0, choices=choices)
    quantizer(torch.randn(4, 4, 5))
    drawn = [int(n) for _ in range(6) for n in quantizer(torch.randn(32, 4, 5)).active.sum(1)]
    assert {*drawn} == {*(choices or [1, 2, 3, 4])}
    assert all(drawn.count(n) / len(drawn) == pytest.approx(1 / len({*drawn}), abs=0.12) for n in {*drawn})


@pytest.mark.parametrize("choices", [[], [0, 1], [2, 2], [3, 1], [5]])
def test_choices_that_are_no_numbers_of_levels_are_refused(choices: list[int]) -> None:
    with pytest.raises(ValueError, match="num_codebooks=4"):
        residual(vector(), 4, dropout=1.0, choices=choices)


def test_the_listed_vectors_of_a_search_by_angle_are_those_that_a_search_outside_needs() -> None:
    quantizer = vector(6, 32, codebook_dim=3, metric="angle", update=Gradient(decay=0.9)).eval()
    quantizer.table.start(torch.randn(32, 3) * torch.rand(32, 1) * 5)
    z = torch.randn(1, 6, 200)
    (own,) = quantizer.code_vectors()
    rows = F.normalize(quantizer.project_in(z[0].T), dim=1)
    codes = quantizer.encode(z)[0][0]
    assert torch.equal(nearest(rows, own.searched), codes)
    assert not torch.equal(nearest(rows, quantizer.table.vectors), codes)
    assert torch.allclose(own.decoded[codes].T, quantizer.decode((codes[None],))[0], atol=1e-6)
