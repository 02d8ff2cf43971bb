"""Items beside their text, or their pair in another modality, in one space: CLIP and SigLIP on quantized features.

As UniTok (Ma et al. 2025, section 3.1) and QLIP (Zhao et al. 2025, section 3.2) have it, the item's embedding is of
what the quantizer gave (tap: post), so that it is the tokens that are aligned; pre gives the plain two towers of CLIP.

The item's features are pooled over the positions and, where project is true, mapped by LayerNorm and a linear layer
that belong to the term. Without projection, items are compared in the space of the latent itself: the text's embedding
is then a latent too, the same quantizer turns it into codes, and what is exported needs no head.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.exactness import full_precision
from signaltok.layers.sphere import on_sphere
from signaltok.objectives.contrast import Contrast
from signaltok.objectives.likeness import numbers, shared_words
from signaltok.objectives.towers import Tower
from signaltok.parts import Alignment, Quantizer, Term
from signaltok.processes import gathered, part_of_group_mean, rows_before, rows_of_all
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction

TAPS = ("post", "pre")
POOLS = ("mean", "attention", "first")
EQUALS = ("positive", "masked", "negative")


class Align(Term, Alignment):
    """A contrast between each item and its text (or pair) among those of the whole group's batch.

    latent_dim: of the tokenizer. width: of the embeddings. tap: "post" or "pre" the quantizer. pool: over the
    positions, "mean", "attention" (one learned query) or "first". project: whether LayerNorm and a linear layer lie
    between the pooled features and the embedding; without, width is latent_dim. equal_texts: what texts that are the
    same are to the items of one another: "positive", "masked" (left out), or "negative" as in the papers, which
    contradicts itself where captions repeat; pairs in another modality are never taken to be equal. shared_words: how
    far texts that share words belong to one another's items too (the power of objectives.likeness); None: not at all.

    Every process compares its own items with the rows of all, with gradients through both, and gives its part of the
    mean: together the loss of one process on the concatenated batch.
    """

    def __init__(
        self,
        *,
        tower: Tower,
        contrast: Contrast,
        latent_dim: int,
        width: int,
        tap: str,
        pool: str,
        project: bool,
        equal_texts: str,
        shared_words: float | None,
    ) -> None:
        super().__init__()
        for name, value, known in (("tap", tap, TAPS), ("pool", pool, POOLS), ("equal_texts", equal_texts, EQUALS)):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; it is one of {', '.join(known)}")
        if not project and width != latent_dim:
            raise ValueError(
                f"without projection items have {latent_dim} channels, but width is {width}; give both the same, or "
                "set project to true"
            )
        if shared_words is not None and not (0 < shared_words < math.inf):
            raise ValueError(
                f"shared_words is the power of a share of words and must be above 0 and finite, got {shared_words}; "
                "null where texts that share words are as foreign as others"
            )
        if shared_words is not None and (equal_texts != "positive" or tower.reads != "text"):
            raise ValueError(
                f"shared_words={shared_words} makes texts that share words positives, but equal_texts is "
                f"{equal_texts!r} and the tower reads {tower.reads!r}; set equal_texts to 'positive' and take a tower "
                "of texts, or set shared_words to null"
            )
        self.tap, self.pool, self.equal_texts, self.shared_words = tap, pool, equal_texts, shared_words
        self.latent_dim, self.width = latent_dim, width
        self.tower, self.contrast = tower, contrast
        self.needs = frozenset({tower.reads})
        self.attention = nn.Linear(latent_dim, 1, bias=False) if pool == "attention" else None
        self.head = nn.Sequential(nn.LayerNorm(latent_dim), nn.Linear(latent_dim, width)) if project else None
        self.pair_head = nn.Sequential(nn.LayerNorm(tower.width), nn.Linear(tower.width, width))

    def check(self, quantizer: Quantizer) -> None:
        """Raise ValueError where the quantizer's latent is not as wide as this term was told."""
        if quantizer.latent_dim != self.latent_dim:
            raise ValueError(
                f"latent_dim is {self.latent_dim}, but the quantizer's is {quantizer.latent_dim}; set it to "
                "${encoder.latent_dim}"
            )

    def of_items(self, latent: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "b e"]:
        """See Alignment."""
        pooled = self._pooled(full_precision(latent).flatten(2), None if mask is None else mask.flatten(2))
        return F.normalize(pooled if self.head is None else self.head(pooled), dim=1)

    def of_pairs(self, batch: Batch) -> Float[Tensor, "b e"]:
        """See Alignment."""
        return F.normalize(self.pair_head(full_precision(self.tower(batch))), dim=1)

    def as_latent(self, pairs: Float[Tensor, "b e"]) -> Float[Tensor, "b e 1"]:
        """See Alignment."""
        if self.head is not None:
            raise ValueError(
                "a projection lies between the latent and the space that texts are in, so texts have no codes; set "
                "objective.terms.align.project to false, or leave out the taps post and codes"
            )
        return on_sphere(pairs[:, :, None])

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """The mean over items, both ways where the contrast has two. Raises ValueError without text or pairs."""
        for name in self.needs:
            if getattr(batch, name) is None:
                raise ValueError(f"the batch has no {name}, which this term aligns items with")
        latent = reconstruction.latent if self.tap == "pre" else reconstruction.quantized.z_q
        with torch.autocast(latent.device.type, enabled=False):
            items, pairs = self.of_items(latent, reconstruction.mask), self.of_pairs(batch)
            target, counted = self._relations(batch, len(items), items.device)
            # The same gathers on every process, whatever it goes on to do with them.
            all_pairs = gathered(pairs)
            each = self.contrast(items @ all_pairs.T, target, counted)
            if self.contrast.symmetric:
                each = (each + self.contrast(pairs @ gathered(items).T, target, counted)) / 2
        return part_of_group_mean(each.sum() / max(1, len(items)), len(items))

    def _pooled(self, x: Float[Tensor, "b d n"], mask: Bool[Tensor, "b 1 n"] | None) -> Float[Tensor, "b d"]:
        if self.pool == "first":
            return x[:, :, 0]
        if self.attention is not None:
            logits = self.attention(x.transpose(1, 2)).transpose(1, 2)
            weight = (logits if mask is None else logits.masked_fill(~mask, float("-inf"))).softmax(2)
            return (x if mask is None else x.masked_fill(~mask, 0.0)).mul(weight).sum(2)
        return x.mean(2) if mask is None else x.masked_fill(~mask, 0.0).sum(2) / mask.sum(2)

    def _relations(
        self, batch: Batch, count: int, device: torch.device
    ) -> tuple[Float[Tensor, "n m"], Bool[Tensor, "n m"]]:
        """How far each of all pairs belongs to each of the own items, and which are counted at all."""
        texts = batch.text if "text" in self.needs else None
        if self.shared_words is not None:
            assert texts is not None
            target = shared_words(texts, power=self.shared_words, device=device)
            return target, torch.ones_like(target, dtype=torch.bool)
        names = torch.zeros(count, dtype=torch.int64) if texts is None else numbers(texts)
        everyone = rows_of_all(names.to(device)[:, None])[:, 0]
        own = torch.arange(len(everyone), device=device) == (
            rows_before(count, device) + torch.arange(count, device=device)[:, None]
        )
        same = own if texts is None else names.to(device)[:, None] == everyone[None]
        if self.equal_texts == "positive":
            return same.float(), torch.ones_like(same)
        return own.float(), ~same | own if self.equal_texts == "masked" else torch.ones_like(same)
