"""A loss that the quantizer computes about itself (commitment, codebook, entropy), as a term."""

from jaxtyping import Float
from torch import Tensor

from signaltok.parts import Quantizer, Term
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction


class QuantizerLoss(Term):
    """Quantized.losses[name], raw. name: one of the quantizer's loss_names()."""

    def __init__(self, *, name: str) -> None:
        super().__init__()
        self.name = name

    def check(self, quantizer: Quantizer) -> None:
        """Raise ValueError where the quantizer has no loss of this name."""
        names = quantizer.loss_names()
        if self.name not in names:
            known = f"its losses are {', '.join(sorted(names))}" if names else "it has no losses of its own"
            raise ValueError(
                f"{type(quantizer).__name__} has no loss {self.name!r}: {known}; "
                "name one of them, or remove this term and its weight"
            )

    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:  # noqa: ARG002
        """The raw value of the training forward."""
        losses = reconstruction.quantized.losses
        if self.name not in losses:
            raise ValueError(
                f"the quantizer gave the losses {sorted(losses)}, not {self.name!r}; "
                "losses are there in training mode only"
            )
        return losses[self.name]
