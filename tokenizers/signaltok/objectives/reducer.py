"""The contract of the group `balance`: how terms become what is minimized, other than by fixed weights."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from signaltok.parts import Part
from signaltok.types.reconstruction import Reconstruction


class Reducer(Part, nn.Module, ABC):
    """Turns the terms of a batch into what is minimized. Its averages are sums over the group and lie in buffers.

    weights: of all terms there will be, by name, as they are given to watch.
    """

    weights: dict[str, float]

    @abstractmethod
    def watch(self, weights: Mapping[str, float]) -> None:
        """Told once, before training: the weights of all terms. ValueError where there is nothing to balance."""

    def logged(self) -> tuple[str, ...]:
        """Names of the values that a batch logs: the factor by which each term counts."""
        return tuple(f"balance_{name}" for name in self.weights)

    @abstractmethod
    def minimized(
        self,
        reconstruction: Reconstruction,
        values: Mapping[str, Float[Tensor, ""]],
        given: Mapping[str, tuple[Float[Tensor, ""], Float[Tensor, "b c *s"]]],
        batches_a_step: int,
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """(what is minimized, what is logged: `loss`, and the factors of `logged`, 0 for a term that takes no part).

        values: the raw terms with their graph. given: of terms that were gone through already, the value, detached, and
        the gradient at the reconstructed signal. What is minimized is divided by batches_a_step afterwards. It is each
        process's part of a mean over the group.
        """
