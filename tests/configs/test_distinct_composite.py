"""What distinguishes the experiments of the compositions from their neighbours, on the built model."""

from experiments import on_meta, settings

from signaltok.tokenizer import Tokenizer
from signaltok.types.token_stack import grid_size


def built(name: str) -> tuple[Tokenizer, set[str]]:
    """The tokenizer of an experiment and the names of its terms."""
    return on_meta(name), set(settings(name)["objective"]["terms"])


def grids(tokenizer: Tokenizer) -> list[tuple[int, ...]]:
    return [grid_size((64, 64), *rule) for rule in zip(tokenizer.strides, tokenizer.shares, strict=True)]


def books(tokenizer: Tokenizer) -> int:
    return len([name for name in tokenizer.quantizer.state_dict() if name.endswith("table.vectors")])


def test_rq_vae_shares_one_codebook_and_drops_nothing_where_rvq_does_neither() -> None:
    (rqvae, _), (rvq, _) = built("image_rqvae"), built("image_rvq")
    assert type(rqvae.quantizer) is type(rvq.quantizer)
    assert books(rqvae) == 1 and len(rqvae.quantizer.codebook_sizes) == 4
    assert books(rvq) == len(rvq.quantizer.codebook_sizes) == 4
    assert rqvae.quantizer.draws is None and rvq.quantizer.draws is not None
    assert grids(rqvae) == [(4, 4)] * 4 and grids(rvq) == [(8, 8)] * 4


def test_grouped_has_books_over_parts_of_the_channels() -> None:
    grouped, _ = built("image_grouped")
    assert type(grouped.quantizer).__name__ == "GroupedQuantizer"
    assert grouped.quantizer.codebook_sizes == (32, 32) and books(grouped) == 2
    assert {vectors.searched.shape for vectors in grouped.quantizer.code_vectors()} == {(32, 4)}


def test_var_has_one_codebook_over_growing_grids_and_losses_after_every_scale() -> None:
    var, terms = built("image_var")
    assert type(var.quantizer).__name__ == "MultiscaleQuantizer"
    assert grids(var) == [(1, 1), (2, 2), (4, 4), (8, 8)] and books(var) == 1
    assert var.quantizer.smoothing is not None
    assert {"scale_commitment", "scale_codebook"} <= terms and "commitment" not in terms


def test_vq_vae_2_has_a_book_for_each_of_two_grids() -> None:
    vqvae2, terms = built("image_vqvae2")
    assert type(vqvae2.quantizer).__name__ == "HierarchicalQuantizer"
    assert grids(vqvae2) == [(4, 4), (8, 8)] and books(vqvae2) == 2
    assert "commitment" in terms
