"""Law 7: two data-parallel processes compute what one process computes on the concatenated batch.

In float64, where what remains is the order of additions: losses and state to 1e-9 over 20 steps, and the two
processes' states equal to the bit.
"""

from pathlib import Path
from typing import Any

import pytest
from two_processes import BUILDS, TOLERANCE, differences, run_both, train

from signaltok.quantizers import library_processes
from signaltok.quantizers.codebook import update

REVIVES = [
    "vq revival",
    "vq more codes than rows",
    "vq gradient revival",
    "vq cosine revival",
    "rvq revival dropout",
    "rvq of library dropout",
    "library revival",
    "library cosine",
    "library heads",
    "library more codes than rows",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("two")
    run_both(out)
    return out


@pytest.mark.parametrize("name", BUILDS)
def test_law_7_two_processes_learn_what_one_learns_from_the_whole_batch(folder: Path, name: str) -> None:
    losses, state, equal = differences(name, folder)
    assert equal, "the processes hold different states"
    assert losses <= TOLERANCE and state <= TOLERANCE


@pytest.mark.parametrize("name", REVIVES)
def test_codes_are_revived_in_the_rows_that_are_to_show_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    revived = []
    for home, attribute in [
        (update._AverageTable, "replace"),
        (update._GradientTable, "replace"),
        (library_processes, "_replace"),
    ]:
        original = getattr(home, attribute)

        def spy(*arguments: Any, original: Any = original) -> None:
            revived.append(arguments)
            original(*arguments)

        monkeypatch.setattr(home, attribute, spy)
    train(name, 0, 1)
    assert revived
