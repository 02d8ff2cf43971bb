"""Towers: what an alignment makes of a text, or of a pair in another modality. They belong to the term.

- NgramTower: words and their character n-grams, hashed into a table whose rows are averaged, then a perceptron (the bag
  of n-grams of fastText, Bojanowski et al. 2017, section 3.2). Strong where texts are few words and data are few.
- ByteTower: UTF-8 bytes through a small Transformer (ByT5's vocabulary, Xue et al. 2022), so there is no vocabulary to
  train and no unknown word.
- PairTower: any encoder of this package over batch.pair, pooled.
"""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.transformer import GridTransformer, check_width
from signaltok.parts import Encoder, Part
from signaltok.types.batch import Batch

BYTES = 256


class Tower(Part, nn.Module, ABC):
    """A batch's texts or pairs -> one vector an item.

    reads: the field of the batch it needs, "text" or "pair". width: of its vectors.
    """

    reads: str
    width: int

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "b w"]:
        """The vectors of a batch, each independent of its batch mates."""


class NgramTower(Tower):
    """Hashed words and character n-grams -> mean of their rows -> perceptron with one residual layer a depth.

    buckets: rows of the table; several n-grams may share one. lengths: of the n-grams, in characters of a word between
    its marks < and >; the whole word is one more.
    """

    reads = "text"

    def __init__(self, *, buckets: int, lengths: Sequence[int], width: int, depth: int) -> None:
        super().__init__()
        if buckets < 1 or depth < 0 or not lengths or min(lengths) < 1:
            raise ValueError(
                f"buckets {buckets}, depth {depth} and lengths {list(lengths)} must be at least 1, at least 0, and one "
                "or more numbers of characters"
            )
        self.buckets, self.lengths, self.width = buckets, tuple(lengths), width
        self.table = nn.Embedding(buckets, width)
        nn.init.normal_(self.table.weight, std=0.1)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(depth)
        )
        self._rows: dict[str, list[int]] = {}  # of words seen: a memory of what rows_of gives, no state

    def forward(self, batch: Batch) -> Float[Tensor, "b w"]:
        """See Tower; a text without words is the vector of nothing."""
        assert batch.text is not None, "the objective has checked that there is text"
        rows = [self.rows_of(text) for text in batch.text]
        counts = torch.tensor([len(own) for own in rows])
        device = self.table.weight.device
        flat = torch.tensor([row for own in rows for row in own], dtype=torch.int64).to(device)
        offsets = (counts.cumsum(0) - counts).to(device)
        x = F.embedding_bag(flat, self.table.weight, offsets, mode="sum")
        # By the root of their number, so that the length of what independent rows add up to does not depend on it.
        x = x / counts.clamp_min(1).to(x).sqrt()[:, None]
        for layer in self.layers:
            x = x + layer(x)
        return x

    def rows_of(self, text: str) -> list[int]:
        """The rows of the table that a text reads, the same in every process."""
        return [row for word in text.lower().split() for row in self._rows_of_word(word)]

    def _rows_of_word(self, word: str) -> list[int]:
        known = self._rows.get(word)
        if known is None:
            marked = f"<{word}>"
            grams = {marked[at : at + n] for n in self.lengths for at in range(len(marked) - n + 1)} - {marked}
            known = [zlib.crc32(gram.encode()) % self.buckets for gram in [marked, *sorted(grams)]]
            self._rows[word] = known
        return known


class ByteTower(Tower):
    """UTF-8 bytes -> Transformer -> mean over the bytes. context: the bytes that are read; what follows them is not."""

    reads = "text"

    def __init__(self, *, width: int, depth: int, heads: int, context: int) -> None:
        super().__init__()
        check_width(1, width, heads)
        if context < 1:
            raise ValueError(f"context is {context}; it is the number of bytes that are read, 1 or more")
        self.width, self.context = width, context
        self.table = nn.Embedding(BYTES, width)
        self.transformer = GridTransformer(width=width, depth=depth, heads=heads)

    def forward(self, batch: Batch) -> Float[Tensor, "b w"]:
        """See Tower; an empty text counts as one space."""
        assert batch.text is not None, "the objective has checked that there is text"
        codes = [self.codes(text) for text in batch.text]
        counts = torch.tensor([len(own) for own in codes], device=self.table.weight.device)
        padded = nn.utils.rnn.pad_sequence(codes, batch_first=True).to(self.table.weight.device)
        mask = torch.arange(padded.shape[1], device=padded.device) < counts[:, None]
        x = self.transformer(self.table(padded).transpose(1, 2), mask[:, None])
        return x.masked_fill(~mask[:, None], 0.0).sum(2) / counts[:, None]

    def codes(self, text: str) -> Int64[Tensor, " n"]:
        """The bytes that are read."""
        return torch.tensor(list((text or " ").encode()[: self.context]), dtype=torch.int64)


class PairTower(Tower):
    """An encoder over batch.pair, its latent a mean over the positions: the second tower for another modality."""

    reads = "pair"

    def __init__(self, *, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.width = encoder.latent_dim

    def forward(self, batch: Batch) -> Float[Tensor, "b w"]:
        """See Tower. Raises ValueError for pairs that the encoder does not take."""
        pair = batch.pair
        assert pair is not None, "the objective has checked that there are pairs"
        if pair.ndim != self.encoder.axes + 2 or pair.shape[1] != self.encoder.channels:
            raise ValueError(
                f"the pairs are {tuple(pair.shape)}, but tower.encoder takes {self.encoder.channels} channels and "
                f"{self.encoder.axes} axes"
            )
        return self.encoder(pair, None).flatten(2).mean(2)
