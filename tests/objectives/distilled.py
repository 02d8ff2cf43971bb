"""A small autoencoder of padded signals with every term that learns what a signal is, and the balance between them."""

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.objectives.align import Align
from signaltok.objectives.contrast import SoftmaxContrast
from signaltok.objectives.distill import Distill
from signaltok.objectives.gradient_norm import GradientNorm
from signaltok.objectives.objective import Objective
from signaltok.objectives.pixel import SquaredError
from signaltok.objectives.teacher import OwnTeacher
from signaltok.objectives.tower import TaughtTower
from signaltok.objectives.towers import NgramTower
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import grid_lengths, valid_mask

STEPS, BATCH, WORDS = 12, 7, ("red", "blue", "cat", "dog", "flag")
SIZES = {"axes": 1, "channels": 1, "stride": 2, "widths": [4], "depth": 1, "latent_dim": 4}


def align(tap: str) -> Align:
    return Align(
        tower=NgramTower(buckets=32, lengths=[3], width=6, depth=1), contrast=SoftmaxContrast(temperature=0.07),
        latent_dim=4, width=4, tap=tap, pool="mean", project=True, equal_texts="positive", shared_words=None,
    )  # fmt: skip


class Distilled(nn.Module):
    """Gives what is minimized; progress is told by the objective."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = ConvEncoder(**SIZES), ConvDecoder(**SIZES)
        self.objective = Objective(
            terms={
                "reconstruction": SquaredError(),
                "align": align("post"),
                "distill": Distill(
                    teacher=OwnTeacher(term="tower", layer=None, width=4), axes=1, latent_dim=4, width=4,
                    depth=1, heads=2, per="position", standardised=True,
                ),
                "tower": TaughtTower(
                    encoder=ConvEncoder(**SIZES), term=align("pre"), until=0.5, path=None, checkpoint="last"
                ),
            },
            weights={"reconstruction": 1.0, "align": 1.0, "distill": 0.5, "tower": 1.0},
        )  # fmt: skip
        self.balance = GradientNorm(terms=["align", "distill"], decay=0.9, least=0.1, most=10.0)
        self.balance.watch(self.objective.weights)

    def forward(self, signal: Tensor, lengths: Tensor, texts: tuple[str, ...]) -> Tensor:
        cells = grid_lengths(lengths, (2,))
        mask = valid_mask(cells, (signal.shape[2] // 2,))
        latent = self.encoder(signal, lengths)
        z_q = (latent + ((2 * latent).round() / 2 - latent).detach()) * mask
        result = Reconstruction(
            signal=self.decoder(z_q, cells), quantized=Quantized(z_q=z_q, codes=()), latent=latent, mask=mask
        )
        raw = self.objective.values(Batch(signal=signal, keys=texts, text=texts, lengths=lengths), result)
        return self.balance.minimized(result, raw, {}, 1)[0]


def share(step: int, rank: int, world: int) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Signals, their lengths and texts, of a process in a step; shares are unequal."""
    generator = torch.Generator().manual_seed(step)
    signal = torch.randn(BATCH, 1, 8, generator=generator, dtype=torch.float64)
    lengths = torch.randint(3, 9, (BATCH, 1), generator=generator)
    picked = torch.randint(len(WORDS), (BATCH,), generator=generator).tolist()
    border = BATCH if world == 1 else 2 + step % 3
    own = slice(None, border) if rank == 0 else slice(border, None)
    return signal[own], lengths[own], tuple(WORDS[number] for number in picked)[own]


def train_distilled(world: int, rank: int) -> dict[str, Tensor]:
    """The state after the steps, and the loss of each, the mean over the processes."""
    torch.manual_seed(0)
    model = Distilled().double()
    wrapped = model if world == 1 else DistributedDataParallel(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for step in range(STEPS):
        model.objective.advance(step / STEPS)
        optimizer.zero_grad()
        loss = wrapped(*share(step, rank, world))
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    summed = torch.stack(losses)
    if world > 1:
        distributed.all_reduce(summed)
    return {f"distilled.{key}": value.clone() for key, value in model.state_dict().items()} | {
        "distilled.losses": summed / world
    }
