"""Codes that keep a teacher's features: vector-quantized knowledge distillation (Peng et al. 2022, BEiT v2, 3.1).

The loss is the mean over the valid positions of 1 - cos(decoded, teacher's feature) (equation 2, where it is a sum to
be maximized). What decodes the features is a small Transformer on the quantized latent. It belongs to this term, as
nobody needs features back from codes: the tokenizer may have a decoder of signals beside it, or none (decoder=none),
and then `decode` is an error that says so.

A cosine says little of features that share a large mean, such as sums of rectified ones, of which a constant is close
to all: `standardised` takes the mean of each channel from them and divides by its deviation (layers.batch_norm).

Of a quantizer with semantic levels beside acoustic ones (quantizer=split) what the semantic ones alone give is decoded,
as Mimi has it (Défossez et al. 2024, section 3.3.2), so that what is taught costs the acoustic levels nothing. Without
any block the decoder is a linear map at each position, as there.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.batch_norm import BatchNorm
from signaltok.layers.extent import Extent
from signaltok.layers.transformer import GridTransformer, check_width
from signaltok.objectives.teacher import Teacher
from signaltok.parts import Quantizer, Term
from signaltok.processes import part_of_group_mean
from signaltok.quantizers.projection import pointwise
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import mask_lengths

PER = ("position", "item")
MOMENTUM = 0.05  # of the running means of features


class Distill(Term):
    """0 where every decoded feature points as the teacher's does, 2 at most.

    latent_dim, axes: of the tokenizer. width, depth, heads: of the Transformer that decodes features. per: "position",
    for a teacher with the tokenizer's grid, or "item": both are averaged over their positions first, as for a teacher
    that gives one vector an item. standardised: whether the teacher's channels are, before that.
    """

    def __init__(
        self,
        *,
        teacher: Teacher,
        axes: int,
        latent_dim: int,
        width: int,
        depth: int,
        heads: int,
        per: str,
        standardised: bool,
    ) -> None:
        super().__init__()
        check_width(axes, width, heads)
        if per not in PER:
            raise ValueError(f"per is {per!r}; it is one of {', '.join(PER)}")
        self.teacher, self.latent_dim, self.per = teacher, latent_dim, per
        self.embed = nn.Linear(latent_dim, width)
        self.transformer = GridTransformer(width=width, depth=depth, heads=heads)
        self.project = nn.Linear(width, teacher.width)
        self.standard = (
            BatchNorm(width=teacher.width, momentum=MOMENTUM, epsilon=1e-5, affine=False) if standardised else None
        )

    def meet(self, terms: Mapping[str, Term]) -> None:
        """See Term."""
        self.teacher.meet(terms)

    def check(self, quantizer: Quantizer) -> None:
        """Raise ValueError where the quantizer's latent is not as wide as this term was told."""
        if quantizer.latent_dim != self.latent_dim:
            raise ValueError(
                f"latent_dim is {self.latent_dim}, but the quantizer's is {quantizer.latent_dim}; set it to "
                "${encoder.latent_dim}"
            )

    def decoded(self, z_q: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "b w *l"]:
        """The features that quantized latents stand for."""
        return pointwise(self.project, self.transformer(pointwise(self.embed, z_q), mask))

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """Raises ValueError where the teacher's grid is another, per position."""
        quantized, mask = reconstruction.quantized, reconstruction.mask
        z_q = quantized.z_q if quantized.semantic is None else quantized.semantic
        with torch.autocast(z_q.device.type, enabled=False):
            found = self.decoded(z_q, mask)
            target, target_mask = self.teacher.features(batch)
            if self.standard is not None:
                lengths = None if target_mask is None else mask_lengths(target_mask)
                with torch.no_grad():
                    target = self.standard(target, extent=Extent(lengths, None))
            if self.per == "item":
                found, target, mask = _mean(found, mask), _mean(target, target_mask), None
            elif found.shape != target.shape:
                raise ValueError(
                    f"the teacher gives a grid of {tuple(target.shape[2:])}, the encoder one of "
                    f"{tuple(found.shape[2:])}; give both the same stride, or set per to item"
                )
            distance = 1 - F.cosine_similarity(found, target.to(found.dtype), dim=1)
        if mask is None:
            return part_of_group_mean(distance.sum() / max(1, distance.numel()), distance.numel())
        count = mask.sum()
        # where, and not a product: what stands in the padding, finite or not, has neither value nor gradient.
        return part_of_group_mean(distance.where(mask[:, 0], 0.0).sum() / count.clamp_min(1), count)


def _mean(x: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "b d"]:
    """Over the valid positions."""
    if mask is None:
        return x.flatten(2).mean(2)
    return x.masked_fill(~mask, 0.0).flatten(2).sum(2) / mask.flatten(2).sum(2)
