"""A small adversary."""

from signaltok.adversaries.adversary import Adversary
from signaltok.adversaries.losses import Hinge
from signaltok.adversaries.patch import PatchDiscriminator
from signaltok.adversaries.updates import EveryStep
from signaltok.adversaries.weights import AdaptiveGradientWeight


def adversary(**changes) -> Adversary:
    plain = {
        "discriminator": PatchDiscriminator(axes=2, channels=3, width=4, layers=1, groups=2),
        "loss": Hinge(),
        "weight": AdaptiveGradientWeight(weight=0.8, epsilon=1e-4, least=0.0, most=1e4),
        "reduction": "mean", "matching": None, "lecam": None, "r1": None, "updates": EveryStep(every=1), "start": 0.5, "warmup": 0.1, "learning_rate": 1e-3, "betas": [0.5, 0.9],
        "epsilon": 1e-8,
    }  # fmt: skip
    return Adversary(**plain | changes)
