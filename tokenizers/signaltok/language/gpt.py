"""A small GPT (Radford et al. 2019): causal pre-norm Transformer blocks, learned positions, tied embeddings."""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.language.cross_entropy import tied_cross_entropy
from signaltok.layers.transformer import TransformerBlock
from signaltok.parts import Part

EMBEDDING_SCALE = 0.02


@final
class GPT(Part, nn.Module):
    """Ids to logits of the next id.

    vocabulary_size: rows of the embedding, those of padding included. context: the most ids it looks at. width, depth,
    heads: of the Transformer. ValueError where heads do not divide the width.
    """

    def __init__(self, *, vocabulary_size: int, context: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        for name, value in (("context", context), ("width", width), ("depth", depth), ("heads", heads)):
            if value < 1:
                raise ValueError(f"language_model.{name} is {value}; it must be 1 or more")
        if width % heads:
            raise ValueError(f"language_model.width is {width}, which {heads} heads do not divide")
        self.context = context
        self.embedding = nn.Embedding(vocabulary_size, width)
        self.places = nn.Parameter(torch.empty(context, width))
        self.blocks = nn.ModuleList(TransformerBlock(width=width, heads=heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        for table in (self.embedding.weight, self.places):
            nn.init.normal_(table, std=EMBEDDING_SCALE)
        for block in self.blocks:
            block.begin_small()  # type: ignore[operator]

    def features(self, ids: Int64[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """What the logits are made of. ValueError for more ids than the context."""
        n = ids.shape[1]
        if n > self.context:
            raise ValueError(f"{n} ids are more than the context of {self.context}")
        x = self.embedding(ids) + self.places[:n]
        later = torch.ones(n, n, dtype=torch.bool, device=ids.device).triu(1)
        attended = torch.zeros(1, 1, n, n, device=ids.device).masked_fill(later, float("-inf"))
        for block in self.blocks:
            x = block(x, attended.to(x.dtype))
        return self.norm(x)

    def logits(self, features: Float[Tensor, "*b d"]) -> Float[Tensor, "*b v"]:
        """By the rows of the embedding (Press and Wolf 2017)."""
        return features @ self.embedding.weight.T

    def forward(self, ids: Int64[Tensor, "b n"]) -> Float[Tensor, "b n v"]:
        """Logits of the id that follows each."""
        return self.logits(self.features(ids))

    def losses(
        self, ids: Int64[Tensor, "b n"], weights: Float[Tensor, "b m"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "b m"]]:
        """Nats of each id but the first, given those before it (m = n - 1): their weighted total, then each.

        The total alone can be differentiated.
        """
        features = self.features(ids[:, :-1]).flatten(0, 1)
        total, losses = tied_cross_entropy(features, self.embedding.weight, ids[:, 1:].flatten(), weights.flatten())
        return total, losses.view(weights.shape)
