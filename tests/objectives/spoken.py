"""Training an encoder of speech by CTC on a process's share of each batch."""

import torch
from shares import trained_on_shares
from torch import Tensor, nn

from signaltok.encoders.speech import SpeechEncoder
from signaltok.layers.residual_convolutions import ResidualConvolutions
from signaltok.layers.spec_augment import SpecAugment
from signaltok.objectives.ctc import Ctc
from signaltok.text.spelling import CharacterSpelling
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import grid_lengths, valid_mask

SIZE = 600
TEXTS, LENGTHS = ("ab", "b", "aa", "ba", "abab"), (600, 333, 480, 555, 90)


class Model(nn.Module):
    """The encoder with the term; the last item is too short for its text and has no loss."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = SpeechEncoder(
            axes=1, channels=1, sample_rate=8000, size=32, transform=32, hop=16, bins=4, floor=1e-3, momentum=0.1,
            augmentation=SpecAugment(bands=1, band_bins=1, stretches=1, stretch_share=0.2),
            trunk=ResidualConvolutions(
                inputs=4, width=6, strides=[2], stem_kernel=3, depth=1, kernel=3, momentum=0.1
            ),
            width=6, latent_dim=3,
        )  # fmt: skip
        self.term = Ctc(spelling=CharacterSpelling(symbols="ab"), per="token", unfit="leave_out")

    def forward(self, signal: Tensor, lengths: Tensor, texts: tuple[str, ...]) -> Tensor:
        latent = self.encoder(signal, lengths)
        mask = valid_mask(grid_lengths(lengths, self.encoder.stride), (latent.shape[2],))
        batch = Batch(signal=signal, keys=texts, lengths=lengths, text=texts)
        return self.term(batch, Reconstruction(signal, Quantized(z_q=latent, codes=()), latent, mask))


def train_spoken(world: int, rank: int) -> dict[str, Tensor]:
    """The state after the steps, and the loss of each, the mean over the processes."""
    torch.manual_seed(0)
    model = Model().double()
    model.encoder.trunk.augment.draws.seed.fill_(3)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(len(TEXTS), 1, SIZE, generator=generator, dtype=torch.float64) - 0.5

    def loss(wrapped: nn.Module, own: slice) -> Tensor:
        return wrapped(x[own], torch.tensor(LENGTHS)[own, None], TEXTS[own])

    return trained_on_shares("spoken", model, world, rank, len(TEXTS), 0.02, loss)
