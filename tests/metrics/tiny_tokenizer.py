"""A tokenizer with two levels of random weights, and five batches of random pictures."""

import torch

from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.parts import Quantizer
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.tokenizer import Tokenizer
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized


class TwoSigns(Quantizer):
    """Level 0: signs of channels 0 and 1 as a code of four; level 1: the sign of channel 2."""

    def __init__(self, *, latent_dim):
        super().__init__()
        self.latent_dim = latent_dim

    @property
    def codebook_sizes(self):
        return (4, 2)

    def encode(self, z):
        signs = (z > 0).long()
        return signs[:, 0] + 2 * signs[:, 1], signs[:, 2]

    def decode(self, codes):
        signs = torch.stack([codes[0] % 2, codes[0] // 2, codes[1]], dim=1)
        return 2.0 * signs - 1

    def learn(self, z, mask):
        codes = self.encode(z)
        return Quantized(z_q=self.decode(codes), codes=codes)


def tokenizer(*, codes: bool = True) -> Tokenizer:
    torch.manual_seed(0)
    sizes = {"axes": 2, "channels": 3, "stride": 8, "widths": [8], "depth": 0, "latent_dim": 3}
    quantizer = TwoSigns(latent_dim=3) if codes else IdentityQuantizer(latent_dim=3)
    encoder = ConvEncoder(**sizes)
    for layer in (encoder.stem, encoder.project):
        layer.bias.data.zero_()
    return Tokenizer(
        encoder=encoder,
        quantizer=quantizer,
        decoder=ConvDecoder(**sizes),
        value_range=(-1.0, 1.0),
        block=64,
        sample_rate=None,
    )


def batches(*, lengths: torch.Tensor | None = None) -> list[Batch]:
    generator = torch.Generator().manual_seed(7)
    return [
        Batch(
            signal=torch.rand(4, 3, 16, 24, generator=generator) * 2 - 1,
            keys=tuple(f"{batch}-{item}" for item in range(4)),
            lengths=lengths,
        )
        for batch in range(5)
    ]
