"""The precision that a machine trains in."""

import pytest
import torch

from signaltok.training.config.precision import fast_autocast


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, None),
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"sve_bf16": True}, "bf16"),
        ({"avx2": True, "l2_cache_size": 524288}, None),
    ],
)
def test_a_cpu_trains_in_bfloat16_where_it_computes_in_it(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert fast_autocast("cpu") == fast_autocast("auto") == expected
    assert fast_autocast("gpu") == "bf16"


def test_this_machine_says_what_its_bfloat16_is():
    assert any(name.endswith("bf16") for name in torch.cpu.get_capabilities())
