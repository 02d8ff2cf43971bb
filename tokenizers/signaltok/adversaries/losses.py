"""What discriminator and generator minimize, logit by logit; the adversary takes the means.

The discriminator's two sides are each half of the paper's, so that their sum is a mean over all that it is shown.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from signaltok.parts import Part


class AdversarialLoss(Part, ABC):
    """Losses of logits; a logit above 0 says real."""

    @abstractmethod
    def of_real(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The discriminator's loss at the originals."""

    @abstractmethod
    def of_fake(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The discriminator's loss at the reconstructions."""

    @abstractmethod
    def of_generator(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The generator's loss at the reconstructions."""


class Hinge(AdversarialLoss):
    """Lim and Ye 2017, Geometric GAN: max(0, 1 - D(x)) and max(0, 1 + D(y)); the generator's is -D(y)."""

    def of_real(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return F.relu(1 - logits) / 2

    def of_fake(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return F.relu(1 + logits) / 2

    def of_generator(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return -logits


class ClippedHinge(AdversarialLoss):
    """The hinge with a generator's of max(0, 1 - D(y)): Zeghidour et al. 2021 (SoundStream), Défossez et al. 2022
    (EnCodec). What already passes by a margin of 1 has no gradient more.
    """

    def of_real(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return F.relu(1 - logits) / 2

    def of_fake(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return F.relu(1 + logits) / 2

    def of_generator(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return F.relu(1 - logits)


class NonSaturating(AdversarialLoss):
    """Goodfellow et al. 2014, section 3: -log s(D(x)) and -log(1 - s(D(y))); the generator's is -log s(D(y))."""

    def of_real(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return F.softplus(-logits) / 2

    def of_fake(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return F.softplus(logits) / 2

    def of_generator(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return F.softplus(-logits)


class LeastSquares(AdversarialLoss):
    """Mao et al. 2017, equation 9: (D(x) - 1)^2 / 2 and D(y)^2 / 2; the generator's is (D(y) - 1)^2 / 2."""

    def of_real(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return (logits - 1).square() / 2

    def of_fake(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return logits.square() / 2

    def of_generator(self, logits: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """See AdversarialLoss."""
        return (logits - 1).square() / 2
