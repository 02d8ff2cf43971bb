"""What a single process gets, and the arithmetic of a group; real groups are in tests/laws and tests/metrics."""

import pytest
import torch

from signaltok import processes
from signaltok.processes import in_group, part_of_group_mean, place, sum_over_group


def test_a_single_process_gets_back_what_it_gave() -> None:
    x = torch.randn(3, requires_grad=True)
    mean = x.mean()
    assert not in_group() and place() == (0, 1)
    assert sum_over_group(x) is x and part_of_group_mean(mean, 3) is mean


@pytest.mark.parametrize("counts", [(5, 2, 4), (7, 0, 1), (0, 0, 0), (3, 3, 3)])
def test_parts_average_to_the_mean_over_all_and_so_do_their_gradients(counts, monkeypatch) -> None:
    monkeypatch.setattr(processes, "in_group", lambda: True)
    monkeypatch.setattr(processes.distributed, "get_world_size", lambda: len(counts))
    monkeypatch.setattr(processes, "sum_over_group", lambda _: torch.tensor(sum(counts)))
    together = torch.randn(sum(counts), dtype=torch.float64, requires_grad=True)
    shares = [share.detach().requires_grad_() for share in together.split(counts)]
    parts = [part_of_group_mean(share.square().mean() if len(share) else share.sum(), len(share)) for share in shares]
    averaged = torch.stack(parts).mean()
    averaged.backward()
    expected = together.square().mean() if len(together) else together.sum()
    expected.backward()
    torch.testing.assert_close(averaged, expected)
    torch.testing.assert_close(torch.cat([share.grad for share in shares]), together.grad)
