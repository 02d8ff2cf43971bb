"""Run by test_two_processes.py in each of two processes: adversaries against a small decoder, in float64.

One of pictures and one of videos with a measured weight, the latter beside a term on sampled frames; one of waveforms
with feature matching and a balancer, on padded batches.
The processes' shares of each batch together are the batch of a single process; they differ in size.
"""

import os
import sys
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from small_adversary import adversary, video_discriminators, waveform_adversary
from torch import Tensor, distributed, nn

from signaltok.adversaries.regularization import R1, LeCam
from signaltok.adversaries.updates import RandomSteps
from signaltok.objectives.balancer import Balancer
from signaltok.objectives.pixel import SquaredError
from signaltok.objectives.sampled_frames import SampledFrames
from signaltok.processes import in_group, part_of_group_mean, place, sum_over_group
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction

STEPS = 20
BATCH = 6


def share(step: int, rank: int, world: int, *size: int) -> tuple[Tensor, Tensor]:
    """Signals and how long each is, of a process's share."""
    generator = torch.Generator().manual_seed(100 + step)
    signal = torch.randn(BATCH, *size, generator=generator, dtype=torch.float64)
    lengths = torch.randint(size[1] // 2, size[1] + 1, (BATCH, 1), generator=generator)
    border = BATCH if world == 1 else 2 + step % 3
    mine = slice(border) if rank == 0 else slice(border, None)
    return signal[mine], lengths[mine]


def train_pictures(rank: int, world: int, *, videos: bool = False) -> dict[str, Tensor]:
    """The state after the steps; "values": loss, weight and discriminator's loss of each, means over the processes."""
    torch.manual_seed(0)
    discriminator = {"discriminator": video_discriminators()} if videos else {}
    part = adversary(
        lecam=LeCam(weight=0.5, decay=0.9), r1=R1(weight=0.1, every=3), start=0.0, warmup=0.0, **discriminator
    ).double()
    decoder = (nn.Conv3d(3, 3, (1, 3, 3), padding=(0, 1, 1)) if videos else nn.Conv2d(3, 3, 3, padding=1)).double()
    sampled = SampledFrames(term=SquaredError(), frames=2)
    optimizers = [torch.optim.SGD(decoder.parameters(), lr=0.01), torch.optim.SGD(part.parameters(), lr=0.01)]
    torch.manual_seed(rank)  # nothing may depend on a process's own random state
    values = []
    for step in range(STEPS):
        original, _ = share(step, rank, world, 3, *((3,) if videos else ()), 12, 12)
        signal = decoder(original)
        objective = part_of_group_mean((signal - original).square().mean(), original.numel())
        if videos:
            objective = objective + sampled(*as_seen(original, signal))
        real, fake = part.judge(original, None), part.judge(signal, None)
        value = part.of_generator(real, fake)["generator"]
        (gradient,) = torch.autograd.grad(value, signal, retain_graph=True)
        value = value.detach()
        weight = part.weight.weight(objective=objective, signal=signal, gradient=gradient, layer=decoder.weight)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss, _ = part.of_discriminator(real, fake)
        penalty = part.penalty(original, None, step)
        loss = loss if penalty is None else loss + penalty
        loss.backward(inputs=list(part.parameters()), retain_graph=True)
        (objective + weight * (signal * gradient).sum()).backward(inputs=list(decoder.parameters()))
        for parameter in (*decoder.parameters(), *part.parameters()):
            parameter.grad.copy_(sum_over_group(parameter.grad) / world)
        for optimizer in optimizers:
            optimizer.step()
        values.append(torch.stack([objective.detach() + weight * value, weight, loss.detach()]))
    summed = sum_over_group(torch.stack(values)) / world
    state = {f"adversary.{name}": value for name, value in part.state_dict().items()}
    return {**state, **{f"decoder.{name}": value for name, value in decoder.state_dict().items()}, "values": summed}


def as_seen(original: Tensor, signal: Tensor) -> tuple[Batch, Reconstruction]:
    """What a term is given."""
    latent = torch.zeros(len(signal), 1, 1)
    seen = Reconstruction(signal=signal, quantized=Quantized(z_q=latent, codes=()), latent=latent, mask=None)
    return Batch(signal=original, keys=("x",) * len(signal)), seen


def train_waveforms(rank: int, world: int) -> dict[str, Tensor]:
    """As train_pictures, under a balancer, the discriminator updated in some of the steps."""
    torch.manual_seed(0)
    part = waveform_adversary(lecam=LeCam(weight=0.5, decay=0.9), updates=RandomSteps(probability=0.5)).double()
    decoder, balance = nn.Conv1d(1, 1, 3, padding=1).double(), Balancer(total_norm=1.0, decay=0.9, epsilon=1e-12)
    balance.watch({"reconstruction": 1.0, "weights": 0.5, **part.shares()})
    balance.double()
    optimizers = [torch.optim.SGD(decoder.parameters(), lr=0.01), torch.optim.SGD(part.parameters(), lr=0.01)]
    torch.manual_seed(rank)
    values = []
    for step in range(STEPS):
        original, lengths = share(step, rank, world, 1, 60)
        valid = torch.arange(60) < lengths[:, :, None]
        signal = decoder(original * valid)
        raw = {
            "reconstruction": part_of_group_mean(
                ((signal - original).square() * valid).sum() / valid.sum(), valid.sum()
            ),
            "weights": decoder.weight.square().sum(),
        }
        leaf = signal.detach().requires_grad_()
        real, fake = part.judge(original, lengths), part.judge(leaf, lengths)
        given = {
            name: (value.detach(), torch.autograd.grad(value, leaf, retain_graph=True)[0])
            for name, value in part.of_generator(real, fake).items()
        }
        outside, pull, logged = balance(signal, raw, given)
        for optimizer in optimizers:
            optimizer.zero_grad()
        (outside + (signal * pull).sum()).backward()
        loss, _ = part.of_discriminator(real, fake)
        loss.backward(inputs=list(part.parameters()))
        for parameter in (*decoder.parameters(), *part.parameters()):
            parameter.grad.copy_(sum_over_group(parameter.grad) / world)
        optimizers[0].step()
        if part.updates.due(step):
            optimizers[1].step()
        values.append(torch.stack([logged["loss"], loss.detach()]))
    summed = sum_over_group(torch.stack(values)) / world
    parts = {"adversary": part, "decoder": decoder, "balance": balance}
    state = {f"{name}.{key}": value for name, owner in parts.items() for key, value in owner.state_dict().items()}
    return {**state, "values": summed}


def train(rank: int, world: int) -> dict[str, Tensor]:
    """All three, each name with its kind before it."""
    return {
        f"{kind}.{name}": value
        for kind, run in (
            ("pictures", train_pictures),
            ("videos", partial(train_pictures, videos=True)),
            ("waveforms", train_waveforms),
        )
        for name, value in run(rank, world).items()
    }


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    assert in_group() and place() == (rank, 2)
    save_file({name: value.contiguous() for name, value in train(rank, 2).items()}, folder / f"{rank}.safetensors")
    distributed.barrier()
    distributed.destroy_process_group()
    os._exit(0)  # gloo's threads now and then abort the interpreter's own exit


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
