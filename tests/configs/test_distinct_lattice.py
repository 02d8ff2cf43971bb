"""What distinguishes the lattice experiments from each other, on what is built."""

import pytest
import torch
from experiments import settings

from signaltok.quantizers.binary_spherical import BinarySphericalQuantizer
from signaltok.quantizers.entropy import CodeEntropy
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.lookup_free import LookupFreeQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.build import build

ENTROPIES = {"entropy_sample", "entropy_deficit"}


def built(name: str) -> tuple[Tokenizer, set[str]]:
    """The tokenizer, and the names of the terms with a weight."""
    objective = build(settings(name)["objective"])
    return build_tokenizer(settings(name)), {term for term, weight in objective.weights.items() if weight > 0}


@pytest.mark.parametrize(
    ("name", "kind", "size", "own", "length"),
    [
        # length: of a code's vector; 1 on the sphere, sqrt(10) for ten signs.
        ("image_lfq", LookupFreeQuantizer, 1024, {"commitment"} | ENTROPIES, 10**0.5),
        ("image_bsq", BinarySphericalQuantizer, 1024, ENTROPIES, 1.0),
        ("image_fsq", FiniteScalarQuantizer, 1000, set(), None),
    ],
)
def test_quantizer_codes_and_terms(name, kind, size, own, length):
    tokenizer, terms = built(name)
    quantizer = tokenizer.quantizer
    assert type(quantizer) is kind and quantizer.codebook_sizes == (size,)
    assert terms & {"commitment", *ENTROPIES} == own
    assert tokenizer.encoder.stride == (8, 8)
    if length is None:
        return
    entropy = quantizer.entropy
    assert isinstance(entropy, CodeEntropy) and entropy.temperature == 0.01
    assert entropy.factor(0.0) == 3.0 and entropy.factor(0.5) == 1.0
    vectors = quantizer.code_vectors()[0].searched
    assert torch.allclose(vectors.norm(dim=1), torch.tensor(length), atol=1e-5)
