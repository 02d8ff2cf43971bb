"""Run by test_two_processes.py in each process: train every quantizer of the table on this process's share."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from table import DIM, QUANTIZERS
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from signaltok.parts import Quantizer

STEPS = 3
BATCH = 8


class Model(nn.Module):
    def __init__(self, quantizer: Quantizer) -> None:
        super().__init__()
        self.front = nn.Conv1d(DIM, DIM, 1)
        self.quantizer = quantizer

    def forward(self, x: Tensor) -> Tensor:
        quantized = self.quantizer(self.front(x))
        return (quantized.z_q - x).square().mean() + sum(quantized.losses.values())


def train(name: str, rank: int, world: int) -> dict[str, Tensor]:
    """The state after a few steps; the processes' shares together are the batch of a single process."""
    torch.manual_seed(0)
    model = Model(QUANTIZERS[name].build()).train()
    wrapped = model if world == 1 else DistributedDataParallel(model, broadcast_buffers=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(rank)
    for step in range(STEPS):
        batch = torch.randn(BATCH, DIM, 16, generator=torch.Generator().manual_seed(100 + step))
        optimizer.zero_grad()
        wrapped(batch.chunk(world)[rank]).backward()
        optimizer.step()
    return {key: value.clone() for key, value in model.state_dict().items()}


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    for name in QUANTIZERS:
        save_file(train(name, rank, 2), folder / f"{name}-{rank}.safetensors")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
