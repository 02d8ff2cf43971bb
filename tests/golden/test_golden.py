"""A folder exported by format version 1 loads for ever and gives the codes it gave then. Never make it again.

Codes are compared exactly: the picture was chosen so that each nearest code wins by a clear margin on any machine.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file

import signaltok

HERE = Path(__file__).parent


def test_version_1_loads_and_gives_its_codes():
    tokenizer = signaltok.load(HERE / "tokenizer_v1")
    stack = tokenizer.encode(signaltok.read_image(HERE / "picture.png")[None])
    expected = load_file(HERE / "tokenizer_v1_expected.safetensors")
    assert len(stack.levels) == 2
    for number, level in enumerate(stack.levels):
        assert torch.equal(level, expected[f"codes.{number}"])
    torch.testing.assert_close(tokenizer.decode(stack), expected["reconstruction"], rtol=0, atol=1e-4)


def test_the_golden_files_stay_small():
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file()) < 300_000
