"""Law 7: two data-parallel processes compute what one process computes on the concatenated batch.

In float64, where what remains is the order of additions: losses and state to 1e-9 over 20 steps, and the two
processes' states equal to the bit.
"""

from pathlib import Path
from typing import Any

import pytest
from two_processes import LIMIT, NAMES, TOLERANCE, differences, run_both

from signaltok.quantizers import library_processes
from signaltok.quantizers.codebook import update

# Rows in which codes must start again within the steps, or they show nothing.
REVIVES = {
    "vq revival",
    "vq more codes than rows",
    "vq gradient revival",
    "vq cosine revival",
    "rvq revival dropout",
    "rvq dac revival dropout",
    "rvq of library dropout",
    "library revives",
    "library cosine",
    "library heads",
    "library more codes than rows",
}


@pytest.mark.slow
@pytest.mark.timeout(2 * LIMIT)
def test_law_7_two_processes_learn_what_one_learns_from_the_whole_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One test for all rows: a pair of processes costs more than what it computes.
    run_both(tmp_path)
    revivals, wrong = _count_revivals(monkeypatch), []
    for name in NAMES:
        revivals.clear()
        losses, state, equal = differences(name, tmp_path)
        if not (losses <= TOLERANCE and state <= TOLERANCE and equal):
            wrong.append(f"{name}: losses differ by {losses:.1e}, state by {state:.1e}, processes equal: {equal}")
        if name in REVIVES and not revivals:
            wrong.append(f"{name}: no code was revived")
    assert not wrong, "\n".join(wrong)
    assert set(NAMES) >= REVIVES


def _count_revivals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows whenever codes are replaced in this process."""
    replaced: list[str] = []
    for home, name in (
        (update._AverageTable, "replace"),
        (update._GradientTable, "replace"),
        (library_processes, "_replace"),
    ):
        original = getattr(home, name)

        def spy(*arguments: Any, original: Any = original, **named: Any) -> None:
            replaced.append(original.__qualname__)
            original(*arguments, **named)

        monkeypatch.setattr(home, name, spy)
    return replaced
