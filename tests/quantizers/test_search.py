"""The search against every distance in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from vector_quantize_pytorch import VectorQuantize

from signaltok.quantizers.codebook import search
from signaltok.quantizers.codebook.search import nearest

ONE_STAGE, TWO_STAGES, ODD_TILE = 700, 2048, 2048 + 37


def distances(rows: Tensor, vectors: Tensor) -> Tensor:
    rows, vectors = rows.double(), vectors.double()
    return rows.square().sum(1, keepdim=True) - 2 * rows @ vectors.T + vectors.square().sum(1)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(
    n=st.integers(1, 70),
    size=st.one_of(st.integers(1, 130), st.sampled_from([ONE_STAGE, TWO_STAGES, ODD_TILE])),
    dim=st.sampled_from([1, 2, 8, 33, 256]),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.01, 1.0, 10.0]),
)
def test_codes_are_those_of_a_float64_search(n: int, size: int, dim: int, seed: int, scale: float) -> None:
    rows, vectors = scale * draw(seed, n, dim), scale * draw(seed + 1, size, dim)
    every = distances(rows, vectors)
    best, chosen = every.min(1).values, every.gather(1, nearest(rows, vectors)[:, None])[:, 0]
    assert (chosen - best <= 1e-4 * scale**2 * dim).all()
    if size > 1:
        two = every.topk(2, largest=False).values
        clear = two[:, 1] - two[:, 0] > 1e-4 * scale**2 * dim
        assert torch.equal(nearest(rows, vectors)[clear], every.argmin(1)[clear])


@pytest.mark.parametrize("dim", [3, 64])
@pytest.mark.parametrize("offset", [100.0, -3000.0])
def test_codes_far_from_zero_are_told_apart(offset: float, dim: int) -> None:
    # By z.e - |e|^2 / 2 as it stands, float32 has no digits left for codes 0.1 apart at a distance of 3,000.
    away = torch.zeros(dim)
    away[::2] = offset
    rows, vectors = away + 0.1 * draw(0, 500, dim), away + 0.1 * draw(1, 300, dim)
    every = distances(rows, vectors)
    plain = (rows @ vectors.T - 0.5 * vectors.square().sum(1)).argmax(1)
    assert (plain != every.argmin(1)).any()
    assert (nearest(rows, vectors) == every.argmin(1)).float().mean() > 0.99
    two = every.topk(2, largest=False).values
    clear = two[:, 1] - two[:, 0] > 1e-4 * two[:, 1]
    assert torch.equal(nearest(rows, vectors)[clear], every.argmin(1)[clear])


@pytest.mark.parametrize("size", [40, ONE_STAGE, TWO_STAGES, ODD_TILE, 3 * 2048])
def test_the_lowest_of_equal_codes_wins(size: int) -> None:
    # Whole numbers: every score is exact, and many codes are equal.
    rows = draw(0, 300, 3).round()
    vectors = draw(1, size, 3).round()
    every = distances(rows, vectors)
    ties = every == every.min(1, keepdim=True).values
    assert (ties.sum(1) > 1).any()
    assert torch.equal(nearest(rows, vectors), ties.int().argmax(1))


def test_every_tile_of_rows_and_codes_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "CODES_A_TILE", 128)
    monkeypatch.setattr(search, "TILE_SCORES", 128 * 10)
    monkeypatch.setattr(search, "SMALL_CODEBOOK", 100)
    vectors = draw(0, 128 * 3 + 11, 8)
    assert torch.equal(nearest(vectors, vectors), torch.arange(len(vectors)))


def test_memory_is_bounded_by_the_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    written, mm = [], torch.mm

    def spy(*arguments: Tensor, out: Tensor) -> Tensor:
        written.append((out.untyped_storage().data_ptr(), out.numel()))
        return mm(*arguments, out=out)

    monkeypatch.setattr(torch, "mm", spy)
    nearest(draw(0, 3000, 4), draw(1, 3 * search.CODES_A_TILE, 4))
    assert len(written) > 1 and len({address for address, _ in written}) == 1
    assert max(size for _, size in written) <= search.TILE_SCORES


def test_cosine_search_is_the_search_of_normalised_rows_and_vectors() -> None:
    rows, vectors = F.normalize(draw(0, 200, 8)), F.normalize(draw(1, 1500, 8))
    assert torch.equal(nearest(rows, vectors), (rows.double() @ vectors.double().T).argmax(1))


@pytest.mark.parametrize("cosine", [False, True])
def test_codes_equal_those_of_the_library(cosine: bool) -> None:
    rows = draw(0, 512, 8)
    peer = VectorQuantize(dim=8, codebook_size=1536, use_cosine_sim=cosine).eval()
    vectors = peer.codebook.detach()
    ours = nearest(F.normalize(rows) if cosine else rows, vectors)
    assert torch.equal(ours, peer(rows[None])[1][0])


@pytest.mark.parametrize("precision", ["medium", "high"])
def test_reduced_precision_is_off_during_the_search_alone(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, mm = [], torch.mm

    def spy(*arguments: Tensor, out: Tensor) -> Tensor:
        seen.append((torch.backends.mkldnn.matmul.fp32_precision, torch.is_autocast_enabled("cpu")))
        return mm(*arguments, out=out)

    monkeypatch.setattr(torch, "mm", spy)
    torch.set_float32_matmul_precision(precision)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            nearest(draw(0, 5, 4), draw(1, 9, 4))
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(seen) == {("ieee", False)}


@pytest.mark.parametrize("size", [ONE_STAGE, TWO_STAGES])
def test_float64_rows_are_searched_in_float64(size: int) -> None:
    # Neighbours differ by 2^-40, which float32 does not have at 1.
    vectors = 1 + torch.arange(size, dtype=torch.float64)[:, None] * 2.0**-40
    assert torch.equal(nearest(vectors, vectors), torch.arange(size))
    assert not torch.equal(nearest(vectors.float(), vectors.float()), torch.arange(size))


def test_no_rows_give_no_codes_and_rows_of_nan_give_valid_ones() -> None:
    vectors = draw(1, 3000, 4)
    assert nearest(torch.zeros(0, 4), vectors).shape == (0,)
    assert torch.equal(nearest(torch.full((50, 4), torch.nan), vectors), torch.zeros(50, dtype=torch.int64))


class _Search(torch.nn.Module):
    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)

    def forward(self, rows: Tensor) -> Tensor:
        return nearest(rows, self.vectors)


@pytest.mark.parametrize("offset", [0.0, 3000.0])
def test_an_exported_search_measures_from_the_same_place(offset: float) -> None:
    # A graph has no branches: what is decided by the codes is decided in it.
    rows, vectors = offset + 0.1 * draw(0, 50, 8), offset + 0.1 * draw(1, 512, 8)
    exported = torch.export.export(_Search(vectors), (rows,)).module()
    assert torch.equal(exported(rows), nearest(rows, vectors))
