"""A public model as parts of ours that wait for its weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from signaltok.checks import context_of
from signaltok.decoders.codec import CodecDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.parts import Quantizer
from signaltok.published.source import Source
from signaltok.published.translation import Translation
from signaltok.tokenizer import Tokenizer

# How our tensors end that no public model has: bookkeeping of training.
OWN = ("draws.seed", "draws.steps", ".initialized", ".steps", ".seed", ".table.counts")
CONTEXTS = 6  # a block is at least so many times what it looks at on either side


@dataclass(frozen=True)
class Published:
    """translate: asks for each of the source's tensors and says where it goes."""

    encoder: CodecEncoder
    quantizer: Quantizer
    decoder: CodecDecoder
    sample_rate: int
    source: Source
    translate: Callable[[Translation], None]

    def tokenizer(self, block: float) -> Tokenizer:
        """With the weights, in eval mode. Its blocks are about `block` seconds, longer where its layers look further.

        Raises ValueError naming a tensor that is missing, of another shape, or left over, and for a block of no length.
        """
        if not 0 < block < math.inf:
            raise ValueError(f"a block is computed at a time and must be above 0 seconds, got {block}")
        tokenizer = Tokenizer(
            encoder=self.encoder,
            quantizer=self.quantizer,
            decoder=self.decoder,
            value_range=(-1.0, 1.0),
            block=self._block(block),
            sample_rate=self.sample_rate,
        )
        translation = Translation(self.source, tokenizer.state_dict())
        self.translate(translation)
        weights = translation.finish(OWN)
        for name, value in weights.items():
            if name.endswith(".initialized"):
                weights[name] = torch.ones_like(value)
        tokenizer.load_state_dict(weights)
        return tokenizer.eval()

    def _block(self, seconds: float) -> int:
        (stride,) = self.encoder.stride
        looked = CONTEXTS * max(*context_of(self.encoder), *context_of(self.decoder))
        least = max(self.encoder.least, self.decoder.least)
        return stride * max(math.ceil(seconds * self.sample_rate / stride), looked, least)
