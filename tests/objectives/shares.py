"""Training on a process's share of each batch, beside which one process has the whole of it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

STEPS = 12


def trained_on_shares(
    name: str,
    model: nn.Module,
    world: int,
    rank: int,
    items: int,
    rate: float,
    loss: Callable[[nn.Module, slice], Tensor],
) -> dict[str, Tensor]:
    """The state after the steps, and the loss of each, the mean over the processes; keys begin with the name.

    loss: of the model, wrapped or not, on a share of so many items.
    """
    wrapped = model if world == 1 else DistributedDataParallel(model, broadcast_buffers=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    losses = []
    for step in range(STEPS):
        border = items if world == 1 else 2 + step % 2
        optimizer.zero_grad()
        value = loss(wrapped, slice(None, border) if rank == 0 else slice(border, None))
        value.backward()
        optimizer.step()
        losses.append(value.detach())
    summed = torch.stack(losses)
    if world > 1:
        torch.distributed.all_reduce(summed)
    found = {f"{name}.{key}": value.clone() for key, value in model.state_dict().items()}
    return found | {f"{name}.losses": summed / world}
