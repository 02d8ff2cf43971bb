"""Run by test_two_processes_align.py as one of two processes: train towers on this process's share of each batch."""

import os
import sys
from pathlib import Path

import torch
from distilled import train_distilled
from masked import train_masked
from safetensors.torch import save_file
from spoken import train_spoken
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from signaltok.objectives.align import Align
from signaltok.objectives.contrast import SigmoidContrast, SoftmaxContrast
from signaltok.objectives.towers import NgramTower
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction

STEPS, BATCH, WORDS = 20, 7, ("red", "blue", "cat", "dog", "flag")
CASES = {
    "softmax": ("positive", None, lambda: SoftmaxContrast(temperature=0.07)),
    "sigmoid": ("masked", None, lambda: SigmoidContrast(scale=10.0, bias=-10.0)),
    "shared words": ("positive", 2.0, lambda: SoftmaxContrast(temperature=0.07)),
}


class Model(nn.Module):
    """A linear encoder with the term."""

    def __init__(self, name: str) -> None:
        super().__init__()
        equal_texts, shared, contrast = CASES[name]
        self.encoder = nn.Linear(6, 4)
        self.term = Align(
            tower=NgramTower(buckets=32, lengths=[3], width=6, depth=1), contrast=contrast(), latent_dim=4, width=4,
            tap="post", pool="mean", project=False, equal_texts=equal_texts, shared_words=shared,
        )  # fmt: skip

    def forward(self, x: Tensor, texts: tuple[str, ...]) -> Tensor:
        latent = self.encoder(x)[:, :, None]
        batch = Batch(signal=latent, keys=texts, text=texts)
        return self.term(batch, Reconstruction(signal=latent, quantized=Quantized(z_q=latent, codes=()), latent=latent))


def share(step: int, rank: int, world: int) -> tuple[Tensor, tuple[str, ...]]:
    """Rows and texts, some of them equal, of a process in a step; shares are unequal."""
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(BATCH, 6, generator=generator, dtype=torch.float64)
    picked = torch.randint(len(WORDS), (BATCH,), generator=generator).tolist()
    border = BATCH if world == 1 else 2 + step % 3
    own = slice(None, border) if rank == 0 else slice(border, None)
    return x[own], tuple(WORDS[number] for number in picked)[own]


def followed(word: str) -> str:
    """The word and the next of the list, so that every text shares a word with two others."""
    return f"{word} {WORDS[(WORDS.index(word) + 1) % len(WORDS)]}"


def train(rank: int, world: int) -> dict[str, Tensor]:
    """The state after the steps, and the loss of each, the mean over the processes."""
    found = {}
    for name in CASES:
        torch.manual_seed(0)
        model = Model(name).double()
        wrapped = model if world == 1 else DistributedDataParallel(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        losses = []
        for step in range(STEPS):
            optimizer.zero_grad()
            x, texts = share(step, rank, world)
            loss = wrapped(x, texts if model.term.shared_words is None else tuple(map(followed, texts)))
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        summed = torch.stack(losses)
        if world > 1:
            distributed.all_reduce(summed)
        found |= {f"{name}.{key}": value.clone() for key, value in model.state_dict().items()}
        found[f"{name}.losses"] = summed / world
    return found | train_distilled(world, rank) | train_spoken(world, rank) | train_masked(world, rank)


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    save_file(train(rank, 2), folder / f"{rank}.safetensors")
    distributed.barrier()
    distributed.destroy_process_group()
    os._exit(0)  # gloo's threads now and then abort the interpreter's own exit


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
