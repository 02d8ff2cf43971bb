"""The adversary: who judges, by which loss, from when on, and how much it counts.

Over the run (shares of its steps): nothing before `start - warmup`; from there on the discriminator trains; from
`start` on the generator, which is the tokenizer, sees it too.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.adversaries.losses import AdversarialLoss
from signaltok.adversaries.regularization import R1, LeCam
from signaltok.adversaries.weights import WeightRule
from signaltok.exactness import full_precision
from signaltok.parts import Discriminator, Part
from signaltok.processes import part_of_group_mean


class Adversary(Part, nn.Module):
    """A discriminator with all that belongs to it; everything that must survive a resume is in its state.

    lecam, r1: None for none. learning_rate, betas, epsilon: of its own Adam, constant over the run. Several processes
    give their parts of means over all of them.
    """

    def __init__(
        self,
        *,
        discriminator: Discriminator,
        loss: AdversarialLoss,
        weight: WeightRule,
        lecam: LeCam | None,
        r1: R1 | None,
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
        self.discriminator = discriminator
        self.loss = loss
        self.weight = weight
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
        """Whether the discriminator takes a step at this share of the run."""
        return progress >= self.start - self.warmup

    def acts(self, progress: float) -> bool:
        """Whether the generator sees the discriminator at this share of the run."""
        return progress >= self.start

    def logged(self) -> tuple[str, ...]:
        """Names of the values that a step logs."""
        names = ("generator", "adaptive_weight", "discriminator", "logits_real", "logits_fake")
        return names if self.lecam is None else (*names, "lecam")

    def judge(self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None) -> Float[Tensor, " n"]:
        """All logits of a batch, in float32; a padded batch item by item, so that padding is never judged."""
        if lengths is None:
            return full_precision(self.discriminator(signal)).flatten()
        cuts = [(slice(n, n + 1), slice(None), *(slice(0, s) for s in size)) for n, size in enumerate(lengths.tolist())]
        return torch.cat([full_precision(self.discriminator(signal[cut])).flatten() for cut in cuts])

    def of_generator(
        self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "b c *s"]]:
        """The generator's loss, detached, and its gradient at the signal; the discriminator gets no gradient."""
        leaf = signal.detach().requires_grad_()
        logits = self.judge(leaf, lengths)
        loss = part_of_group_mean(self.loss.of_generator(logits).mean(), logits.numel())
        (gradient,) = torch.autograd.grad(loss, leaf)
        return loss.detach(), gradient

    def of_discriminator(
        self,
        original: Float[Tensor, "b c *s"],
        reconstruction: Float[Tensor, "b c *s"],
        lengths: Int64[Tensor, "b axes"] | None,
        batch: int,
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """What the discriminator minimizes, and what is logged of it, detached. batch: of the run, from 0.

        The penalty R1, which is there in some batches alone, is in the loss and not in what is logged.
        """
        real, fake = self.judge(original, lengths), self.judge(reconstruction.detach(), lengths)
        loss = part_of_group_mean(self.loss.of_real(real).mean(), real.numel())
        loss = loss + part_of_group_mean(self.loss.of_fake(fake).mean(), fake.numel())
        logged = {
            "discriminator": loss.detach(),
            "logits_real": part_of_group_mean(real.detach().mean(), real.numel()),
            "logits_fake": part_of_group_mean(fake.detach().mean(), fake.numel()),
        }
        if self.lecam is not None:
            penalty = self.lecam(real, fake)
            loss, logged["lecam"] = loss + penalty, penalty.detach()
        if self.r1 is not None and self.r1.due(batch):
            with torch.autocast(original.device.type, enabled=False):
                leaf = original.detach().requires_grad_()
                penalty = self.r1.penalty(self.judge(leaf, lengths), leaf)
            loss = loss + penalty
        return loss, logged
