"""The adversary: who judges, by which loss, from when on, and how much it counts.

Over the run (shares of its steps): nothing before `start - warmup`; from there on the discriminator trains; from
`start` on the generator, which is the tokenizer, sees it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.adversaries.losses import AdversarialLoss
from signaltok.adversaries.matching import FeatureMatching, Features
from signaltok.adversaries.regularization import R1, LeCam
from signaltok.adversaries.updates import Updates
from signaltok.adversaries.weights import ConstantWeight, WeightRule
from signaltok.exactness import full_precision
from signaltok.parts import Discriminator, Part, Verdict
from signaltok.processes import part_of_group_mean

GENERATOR, MATCHING = "generator", "matching"  # what the generator minimizes, as it is logged
REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True)
class Judgement:
    """The logits of a batch, flat, of each member of the discriminator, and the features of each of its layers."""

    logits: tuple[Float[Tensor, " n"], ...]
    features: Features


class Adversary(Part, nn.Module):
    """A discriminator with all that belongs to it; everything that must survive a resume is in its state.

    reduction: over the members of a discriminator that has several, of the mean over each one's logits: "mean"
    (SoundStream, EnCodec) or "sum" (HiFi-GAN, DAC). matching, lecam, r1: None for none. updates: which steps update the
    discriminator. learning_rate, betas, epsilon: of its own Adam, constant over the run. Several processes give their
    parts of means over all of them.
    """

    def __init__(
        self,
        *,
        discriminator: Discriminator,
        loss: AdversarialLoss,
        weight: WeightRule,
        reduction: str,
        matching: FeatureMatching | None,
        lecam: LeCam | None,
        r1: R1 | None,
        updates: Updates,
        start: float,
        warmup: float,
        learning_rate: float,
        betas: Sequence[float],
        epsilon: float,
    ) -> None:
        super().__init__()
        if not 0 <= warmup <= start < 1:
            raise ValueError(
                f"adversary.start is {start} and warmup {warmup}; both are shares of the run, 0 <= warmup <= start < 1"
            )
        if not learning_rate > 0 or len(betas) != 2:
            raise ValueError(
                f"adversary.learning_rate is {learning_rate} and betas {list(betas)}; give a rate above 0, two betas"
            )
        if reduction not in REDUCTIONS:
            raise ValueError(f"adversary.reduction is {reduction!r}; it is one of {', '.join(REDUCTIONS)}")
        self.discriminator = discriminator
        self.loss = loss
        self.weight = weight
        self.reduction = reduction
        self.matching = matching
        self.updates = updates
        self.lecam = lecam
        self.r1 = r1
        self.start = start
        self.warmup = warmup
        self.learning_rate = learning_rate
        self.betas = (betas[0], betas[1])
        self.epsilon = epsilon

    def check(self, *, axes: int, channels: int) -> None:
        """Raise ValueError, before the first step, where the discriminator cannot look at such signals."""
        ours = (self.discriminator.axes, self.discriminator.channels)
        if ours != (axes, channels):
            raise ValueError(
                f"adversary.discriminator has axes {ours[0]} and channels {ours[1]}, the signal has {axes} and "
                f"{channels}; set the discriminator's to the encoder's"
            )

    def optimizer(self) -> torch.optim.Optimizer:
        """Adam over the discriminator."""
        return torch.optim.Adam(
            self.discriminator.parameters(), lr=self.learning_rate, betas=self.betas, eps=self.epsilon, fused=True
        )

    def trains(self, progress: float) -> bool:
        """Whether the discriminator takes part at this share of the run; it is updated where updates says so."""
        return progress >= self.start - self.warmup

    def acts(self, progress: float) -> bool:
        """Whether the generator sees the discriminator at this share of the run."""
        return progress >= self.start

    def logged(self) -> tuple[str, ...]:
        """Names of the values that a step logs."""
        return (*self.generator_terms(), "adaptive_weight", *self.logged_of_discriminator())

    def logged_of_discriminator(self) -> tuple[str, ...]:
        """Those of them that only a batch of an update of the discriminator has."""
        names = ("discriminator", "logits_real", "logits_fake")
        return names if self.lecam is None else (*names, "lecam")

    def generator_terms(self) -> tuple[str, ...]:
        """Names of what of_generator gives."""
        return (GENERATOR,) if self.matching is None else (GENERATOR, MATCHING)

    def shares(self) -> dict[str, float]:
        """The weight of each of these for a balancer. Raises ValueError where the weight is not constant."""
        if not isinstance(self.weight, ConstantWeight):
            raise ValueError(
                f"adversary.weight is {type(self.weight).__name__} and there is a balance, which weighs by gradients "
                "itself; take signaltok.adversaries.weights.ConstantWeight, or '~balance'"
            )
        shares = {GENERATOR: self.weight.factor}
        return shares if self.matching is None else {**shares, MATCHING: self.matching.weight}

    def judge(self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None) -> Judgement:
        """What the discriminator says of a batch, logits in float32; of a padded batch item by item, as each is alone.

        So padding is never judged, but for an item shorter than what the discriminator needs, which is judged with
        silence behind it.
        """
        if lengths is None:
            return _judgement([self.discriminator(signal)])
        return _judgement([self.discriminator(self._item(signal, n, size)) for n, size in enumerate(lengths.tolist())])

    def of_generator(self, real: Judgement | None, fake: Judgement) -> dict[str, Float[Tensor, ""]]:
        """What the generator minimizes by name (generator_terms), raw, with the graph of fake, the reconstruction's.

        real: the original's, where there is feature matching; no gradient goes into it.
        """
        losses = {GENERATOR: self._mean([self.loss.of_generator(logits) for logits in fake.logits])}
        if self.matching is not None:
            assert real is not None, "features are matched to those of the original"
            targets = tuple(tuple(layer.detach() for layer in member) for member in real.features)
            losses[MATCHING] = self.matching(fake.features, targets)
        return losses

    def of_discriminator(
        self, real: Judgement, fake: Judgement
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """What the discriminator minimizes, and what is logged of it, detached.

        Both penalties, LeCam here and R1 in penalty, look at the logits of all members alike.
        """
        loss = self._mean([self.loss.of_real(logits) for logits in real.logits])
        loss = loss + self._mean([self.loss.of_fake(logits) for logits in fake.logits])
        every_real, every_fake = torch.cat(real.logits), torch.cat(fake.logits)
        logged = {
            "discriminator": loss.detach(),
            "logits_real": part_of_group_mean(every_real.detach().mean(), every_real.numel()),
            "logits_fake": part_of_group_mean(every_fake.detach().mean(), every_fake.numel()),
        }
        if self.lecam is not None:
            penalty = self.lecam(every_real, every_fake)
            loss, logged["lecam"] = loss + penalty, penalty.detach()
        return loss, logged

    def penalty(
        self, original: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None, batch: int
    ) -> Float[Tensor, ""] | None:
        """What R1 adds to the discriminator's loss in this batch of the run, counted from 0; None where it is not due.

        It is not in what is logged, as it is there in some batches alone.
        """
        if self.r1 is None or not self.r1.due(batch):
            return None
        with torch.autocast(original.device.type, enabled=False):
            leaf = original.detach().requires_grad_()
            return self.r1.penalty(torch.cat(self.judge(leaf, lengths).logits), leaf)

    def _mean(self, losses: list[Float[Tensor, " n"]]) -> Float[Tensor, ""]:
        """Over the logits of each member, and then over the members as the reduction says."""
        counts = torch.tensor([len(member) for member in losses], device=losses[0].device)
        means = part_of_group_mean(torch.stack([member.mean() for member in losses]), counts)
        return means.mean() if self.reduction == "mean" else means.sum()

    def _item(self, signal: Float[Tensor, "b c *s"], number: int, size: list[int]) -> Float[Tensor, "1 c *t"]:
        item = signal[(slice(number, number + 1), slice(None), *(slice(0, extent) for extent in size))]
        missing = [
            max(0, min(least, whole) - extent)
            for least, extent, whole in zip(self.discriminator.extents, size, signal.shape[2:], strict=True)
        ]
        return F.pad(item, [n for extent in reversed(missing) for n in (0, extent)]) if any(missing) else item


def _judgement(items: list[tuple[Verdict, ...]]) -> Judgement:
    """Of the verdicts on each item, or on the whole batch at once."""
    members = list(zip(*items, strict=True))
    logits = tuple(_flat([full_precision(verdict.logits) for verdict in member]) for member in members)
    features = tuple(
        tuple(_flat(layers) for layers in zip(*(verdict.features for verdict in member), strict=True))
        for member in members
    )
    return Judgement(logits, features)


def _flat(items: Sequence[Tensor]) -> Float[Tensor, " n"]:
    return items[0].flatten() if len(items) == 1 else torch.cat([item.flatten() for item in items])
