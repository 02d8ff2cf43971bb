"""Run by test_two_processes.py in each of two processes, and by benchmarks/two_processes.py: train every quantizer.

The two processes' shares of each batch together are the batch of a single process. Shares differ in size and, in every
second step, items have padding, so that nothing is equal by luck: neither items nor valid positions per process.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from quantizer_table import DIM, QUANTIZERS, entropy, lattice, library, residual, vector
from safetensors.torch import load_file, save_file
from table import QUERY, TOKENS
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from signaltok.decoders.query import QueryDecoder
from signaltok.encoders.query import QueryEncoder
from signaltok.layers.tail import TailDrop
from signaltok.objectives.pixel import AbsoluteError, SquaredError
from signaltok.objectives.structural import StructuralDissimilarity
from signaltok.parts import Quantizer, Term
from signaltok.quantizers.codebook.estimator import Rotation
from signaltok.quantizers.codebook.initialization import KMeans, Uniform
from signaltok.quantizers.codebook.revival import UsageRevival
from signaltok.quantizers.codebook.update import Gradient
from signaltok.quantizers.lookup_free import LookupFreeQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import valid_mask

STEPS = 20
BATCH = 8
SIZE = (12, 13)
TOLERANCE = 1e-9
LIMIT = 1200.0  # seconds for the two processes, many times what they take on a quiet machine
STRUCTURAL = {"identity", "vq"}  # the rows with this term too: it takes longer than all else


def revival(threshold: float = 0.5) -> UsageRevival:
    return UsageRevival(threshold=threshold, every=3, until=0.9)


# Beside the rows of the table: what goes wrong only in company.
MORE: dict[str, Callable[[], Quantizer]] = {
    "vq k-means": vector(codebook_size=64, initialization=KMeans(iterations=10)),
    "vq k-means cosine": vector(codebook_size=64, initialization=KMeans(iterations=10), metric="cosine"),
    "vq more codes than rows": vector(codebook_size=1500, initialization=KMeans(iterations=3), revival=revival()),
    "vq gradient revival": vector(update=Gradient(decay=0.9), initialization=KMeans(iterations=2), revival=revival()),
    "vq cosine revival": vector(metric="cosine", codebook_dim=3, estimator=Rotation(), revival=revival()),
    "rvq revival dropout": residual(vector(initialization=KMeans(iterations=2), revival=revival()), dropout=0.5),
    "rvq dac revival dropout": residual(
        vector(
            codebook_dim=2, metric="angle", update=Gradient(decay=0.9), initialization=KMeans(iterations=2),
            revival=revival(),
        ),
        dropout=1.0,
        choices=[1, 3],
    ),
    "rvq gradient dropout": residual(vector(update=Gradient(decay=0.9)), dropout=1.0),
    # Uniform: a code that is a row leaves rounding alone to the level after it, and codes of that size are ties.
    "rvq nested dropout": residual(residual(vector(initialization=Uniform()), dropout=0.5), dropout=0.5),
    "rvq of fsq dropout": residual(lambda: lattice(DIM, [3, 3, 3, 3]), dropout=0.5),
    "rvq of lfq dropout": residual(
        lambda: LookupFreeQuantizer(latent_dim=DIM, bits=DIM, entropy=entropy()), dropout=1.0
    ),
    "rvq of library dropout": residual(
        library("VectorQuantize", codebook_size=16, kmeans_init=True, threshold_ema_dead_code=30), dropout=1.0
    ),
    "library revives": library("VectorQuantize", codebook_size=16, threshold_ema_dead_code=40),
    "library cosine": library(
        "VectorQuantize", codebook_size=64, codebook_dim=3, use_cosine_sim=True, kmeans_init=True,
        threshold_ema_dead_code=2,
    ),
    "library heads": library(
        "VectorQuantize", codebook_size=16, codebook_dim=2, heads=2, separate_codebook_per_head=True, kmeans_init=True,
        threshold_ema_dead_code=40,
    ),
    "library more codes than rows": library("VectorQuantize", codebook_size=1300, threshold_ema_dead_code=1),
    "library learnable": library("VectorQuantize", codebook_size=16, learnable_codebook=True, ema_update=False),
    "library rvq dropout": library(
        "ResidualVQ", codebook_size=16, num_quantizers=3, kmeans_init=True, quantize_dropout=True
    ),
    "library grouped dropout": library(
        "GroupedResidualVQ", codebook_size=16, num_quantizers=3, groups=2, quantize_dropout=True
    ),
    "library simvq": library("SimVQ", codebook_size=16),
}  # fmt: skip
BUILDS: dict[str, Callable[[], Quantizer]] = {**{name: row.build for name, row in QUANTIZERS.items()}, **MORE}
LARGE = "k-means of 40,000 rows"
SEQUENCE = "a sequence of tokens with tail drop"
NAMES = (*BUILDS, LARGE, SEQUENCE)


class Model(nn.Module):
    """A projection and a quantizer, with the terms of an objective."""

    def __init__(self, quantizer: Quantizer, terms: list[Term]) -> None:
        super().__init__()
        self.front = nn.Conv2d(DIM, DIM, 1)
        self.quantizer = quantizer
        self.terms = nn.ModuleList(terms)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        mask = None if lengths is None else valid_mask(lengths, SIZE)
        latent = self.front(x)
        quantized = self.quantizer(latent, mask)
        batch = Batch(signal=x, keys=("",) * len(x), lengths=lengths)
        result = Reconstruction(signal=quantized.z_q, quantized=replace(quantized), latent=latent, mask=mask)
        return sum(term(batch, result) for term in self.terms) + sum(quantized.losses.values())


class Sequence(nn.Module):
    """A tokenizer whose items keep a random number of tokens, with a term; what it learns goes through `quantizer`."""

    def __init__(self) -> None:
        super().__init__()
        query = {**QUERY, "channels": DIM, "tokens": TOKENS}
        self.tokenizer = Tokenizer(
            encoder=QueryEncoder(**query, tail_drop=TailDrop(least=1, lengths="uniform")),
            quantizer=vector(revival=revival(), initialization=KMeans(iterations=3))(),
            decoder=QueryDecoder(**query),
            value_range=(-9.0, 9.0),
            block=64,
            sample_rate=None,
        )
        self.term = SquaredError()

    @property
    def quantizer(self) -> Quantizer:
        return self.tokenizer.quantizer

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        result = self.tokenizer(x, lengths)
        batch = Batch(signal=x, keys=("",) * len(x), lengths=lengths)
        return self.term(batch, result) + sum(result.quantized.losses.values())


def share(step: int, rank: int, world: int) -> tuple[Tensor, Tensor | None]:
    """Items and lengths of a process in a step."""
    generator = torch.Generator().manual_seed(100 + step)
    signal = torch.randn(BATCH, DIM, *SIZE, generator=generator, dtype=torch.float64)
    lengths = torch.stack([torch.randint(11, size + 1, (BATCH,), generator=generator) for size in SIZE], 1)
    border = BATCH if world == 1 else BATCH // 2 + step % 3 - 1
    own = slice(None, border) if rank == 0 else slice(border, None)
    return signal[own], lengths[own] if step % 2 else None


def train(name: str, rank: int, world: int) -> dict[str, Tensor]:
    """The state after the steps, and under "losses" the loss of each, the mean over the processes."""
    torch.manual_seed(0)
    terms: list[Term] = [SquaredError(), AbsoluteError()]
    if name in STRUCTURAL:
        terms.append(StructuralDissimilarity(value_range=[-4.0, 4.0]))
    model = (Sequence() if name == SEQUENCE else Model(BUILDS[name](), terms)).double().train()
    wrapped = model if world == 1 else DistributedDataParallel(model, broadcast_buffers=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(rank)  # nothing may depend on a process's own random state
    losses = []
    for step in range(STEPS):
        model.quantizer.advance(step / STEPS)
        optimizer.zero_grad()
        loss = wrapped(*share(step, rank, world))
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().clone())
    summed = torch.stack(losses)
    if world > 1:
        distributed.all_reduce(summed)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    return {**state, "losses": summed / world}


def centres(rank: int, world: int) -> dict[str, Tensor]:
    """k-means of many rows, of which the second process has the smaller part."""
    generator = torch.Generator().manual_seed(5)
    rows = torch.randn(40_000, 8, generator=generator, dtype=torch.float64)
    own = rows if world == 1 else rows[:25_000] if rank == 0 else rows[25_000:]
    return {"losses": torch.zeros(()), "centres": KMeans(iterations=5)(own, 512, generator)}


def run(name: str, rank: int, world: int) -> dict[str, Tensor]:
    """What a row of NAMES leaves behind."""
    return centres(rank, world) if name == LARGE else train(name, rank, world)


def differences(name: str, folder: Path) -> tuple[float, float, bool]:
    """Of two processes against one: largest difference of a loss, of the state; whether the processes are bit-equal."""
    one, other = (load_file(folder / f"{name}-{rank}.safetensors") for rank in range(2))
    alone = run(name, 0, 1)
    assert alone.keys() == one.keys() == other.keys()
    equal = all(torch.equal(value, other[key]) for key, value in one.items())
    worst = {key: float((one[key].double() - value.double()).abs().max()) for key, value in alone.items()}
    return worst.pop("losses"), max(worst.values()), equal


def run_both(folder: Path) -> None:
    """Train everything in two processes, which leave their states in the folder."""
    source = str(Path(__file__).parents[2] / "tokenizers")
    env = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(folder)], stderr=subprocess.PIPE, text=True, env=env)
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=LIMIT)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], errors


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    for name in NAMES:
        save_file(run(name, rank, 2), folder / f"{name}-{rank}.safetensors")
    distributed.barrier()
    distributed.destroy_process_group()
    # All is written. Gloo's threads now and then abort the interpreter's own exit ("terminate called without an active
    # exception", after destroy_process_group has come back).
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
