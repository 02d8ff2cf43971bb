"""Exact arithmetic whatever a caller has set, under either of torch's names for it, and put back as it was."""

import pytest
import torch
from torch.nn import functional as F

from signaltok.exactness import EXACT, OPERATORS, exact_arithmetic

CPU = torch.device("cpu")
BACKENDS = {
    "matmul": torch.backends.mkldnn.matmul,
    "conv": torch.backends.mkldnn.conv,
    "rnn": torch.backends.mkldnn.rnn,
    "all of oneDNN": torch.backends.mkldnn,
    "all": torch.backends,
}


def state() -> list[object]:
    own = [operator.fp32_precision for operator in OPERATORS]
    return [*own, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, torch.is_autocast_enabled("cpu")]


@pytest.fixture(autouse=True)
def as_it_was():
    before = [(operator, operator.fp32_precision) for operator in OPERATORS]
    yield
    for backend in (torch.backends, torch.backends.mkldnn):
        backend.fp32_precision = "none"
    for operator, precision in before:
        operator.fp32_precision = precision
    assert state()[: len(before)] == [precision for _, precision in before]


@pytest.mark.parametrize("name", BACKENDS)
def test_what_is_allowed_by_the_newer_names_is_not_done(name):
    torch.manual_seed(0)
    x, weight, rows = torch.randn(1, 16, 1, 500), torch.randn(16, 16, 1, 3), torch.randn(64, 64)
    convolved, product = F.conv2d(x, weight), rows @ rows
    BACKENDS[name].fp32_precision = "bf16"
    allowed = state()
    assert any(precision == "bf16" for precision in allowed)
    with exact_arithmetic(CPU):
        assert all(operator.fp32_precision in EXACT for operator in OPERATORS)
        assert torch.equal(F.conv2d(x, weight), convolved) and torch.equal(rows @ rows, product)
        with exact_arithmetic(CPU):
            assert all(operator.fp32_precision in EXACT for operator in OPERATORS)
        assert all(operator.fp32_precision in EXACT for operator in OPERATORS), "the inner block puts back nothing"
    assert state() == allowed


@pytest.mark.parametrize("matmul", ["highest", "high", "medium"])
@pytest.mark.parametrize("cudnn", [True, False])
def test_what_is_allowed_by_the_older_names_can_be_asked_for_afterwards(matmul, cudnn):
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = cudnn
    try:
        before = state()
        with exact_arithmetic(CPU):
            assert all(operator.fp32_precision in EXACT for operator in OPERATORS)
            assert torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == matmul and torch.backends.cudnn.allow_tf32 == cudnn
        assert state() == before
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = True


def test_what_a_backend_hands_down_stays_handed_down():
    torch.backends.fp32_precision = "bf16"
    with exact_arithmetic(CPU):
        pass
    assert torch.backends.mkldnn.conv.fp32_precision == "bf16"
    torch.backends.fp32_precision = "ieee"
    assert torch.backends.mkldnn.conv.fp32_precision == "ieee"


def test_all_is_put_back_after_an_error():
    torch.backends.cudnn.benchmark, before = True, torch.backends.cudnn.benchmark
    try:
        allowed = state()
        with (
            pytest.raises(ValueError, match="inside"),
            torch.autocast("cpu", dtype=torch.bfloat16),
            exact_arithmetic(CPU),
        ):
            assert not torch.is_autocast_enabled("cpu") and not torch.backends.cudnn.benchmark
            raise ValueError("inside")
        assert state() == allowed
    finally:
        torch.backends.cudnn.benchmark = before
