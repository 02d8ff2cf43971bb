"""Feature matching: reconstructions should look to the discriminator's layers as their originals do.

Papers and releases differ in how the layers add up, by which the same weight means another force: the reduction is
always given. It is taken at the layers before the logits, as EnCodec and DAC do.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.parts import Part
from signaltok.processes import part_of_group_mean, sum_over_group

REDUCTIONS = ("mean", "sum", "relative")
SILENT = 1e-8  # the least mean |real| of a layer to be relative to

Features = tuple[tuple[Tensor, ...], ...]  # of each member, of each of its layers


class FeatureMatching(Part):
    """Of K members with L_k layers each, d_kl the mean over a layer of |D_kl(x) - D_kl(y)|, y the reconstruction.

    reduction: "mean", sum of d_kl / (K L_k) (Zeghidour et al. 2021, SoundStream, section III-E); "sum", sum of d_kl
    (Kumar et al. 2023, DAC, as released; HiFi-GAN's is twice that); "relative", sum of d_kl / (K L_k mean |D_kl(x)|)
    (Défossez et al. 2022, EnCodec, section 3.4). weight: in the objective, where no balancer takes it as a share.
    """

    def __init__(self, *, weight: float, reduction: str) -> None:
        if not 0 < weight < float("inf"):
            raise ValueError(
                f"adversary.matching.weight is {weight}; give a finite number above 0, or adversary.matching=null"
            )
        if reduction not in REDUCTIONS:
            raise ValueError(f"adversary.matching.reduction is {reduction!r}; it is one of {', '.join(REDUCTIONS)}")
        self.weight = weight
        self.reduction = reduction

    def __call__(self, reconstruction: Features, original: Features) -> Float[Tensor, ""]:
        """The raw value; of several processes, each one's part of the mean. original: without a gradient."""
        ours = [full_precision(layer) for member in reconstruction for layer in member]
        theirs = [full_precision(layer) for member in original for layer in member]
        counts = torch.tensor([layer.numel() for layer in theirs], device=theirs[0].device)
        distance = torch.stack([(one - two).abs().mean() for one, two in zip(ours, theirs, strict=True)])
        distance = part_of_group_mean(distance, counts)
        if self.reduction == "sum":
            return distance.sum()
        if self.reduction == "relative":
            sums = sum_over_group(torch.stack([layer.abs().sum() for layer in theirs]))
            distance = distance / (sums / sum_over_group(counts)).clamp_min(SILENT)
        shares = [1 / (len(original) * len(member)) for member in original for _ in member]
        return (distance * distance.new_tensor(shares)).sum()
