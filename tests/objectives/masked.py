"""Training an encoder by hidden positions on a process's share of each batch: both terms, both fills."""

import torch
from shares import trained_on_shares
from torch import Tensor, nn

from signaltok.layers.conformer import ConformerBlock
from signaltok.objectives.masked_code import MaskedCode
from signaltok.objectives.masked_nce import MaskedNce
from signaltok.objectives.masking import MaskedContext
from signaltok.quantizers.random_projection import RandomProjectionQuantizer
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import valid_mask

SIZE, LENGTHS = 20, (20, 9, 14, 3, 17)


def context(fill: str = "vector", **changes) -> MaskedContext:
    plain = {"latent_dim": 4, "width": 8, "share": 0.1, "span": 3}
    network = ConformerBlock(width=8, heads=2, kernel=3, momentum=0.1)
    return MaskedContext(**plain | {"network": network, "fill": fill} | changes)


def random_codes(books: int = 1) -> RandomProjectionQuantizer:
    return RandomProjectionQuantizer(latent_dim=4, num_codebooks=books, codebook_size=8, codebook_dim=3, seed=0)


class Model(nn.Module):
    """A map of the latent, a quantizer that does not move, and both terms."""

    def __init__(self) -> None:
        super().__init__()
        self.front, self.quantizer = nn.Conv1d(4, 4, 1), random_codes(2)
        self.code = MaskedCode(context=context("noise"))
        self.nce = MaskedNce(
            context=context(), latent_dim=4, dim=6, temperature=0.5, distractors=5, ties="mask"
        )  # fmt: skip
        self.code.check(self.quantizer)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        mask, latent = valid_mask(lengths, (x.shape[2],)), self.front(x)
        batch = Batch(signal=x, keys=("",) * len(x), lengths=lengths)
        made = Reconstruction(x, self.quantizer(latent, mask), latent, mask)
        return self.code(batch, made) + self.nce(batch, made)


def train_masked(world: int, rank: int) -> dict[str, Tensor]:
    """The state after the steps, and the loss of each, the mean over the processes."""
    torch.manual_seed(0)
    model = Model().double()
    x = torch.randn(len(LENGTHS), 4, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def loss(wrapped: nn.Module, own: slice) -> Tensor:
        lengths = torch.tensor(LENGTHS)[own, None]
        return wrapped(x[own, :, : int(lengths.max())], lengths)  # a share has a padding of its own

    return trained_on_shares("masked", model, world, rank, len(LENGTHS), 0.05, loss)
