"""What causal decoders of videos have in common: they decode a whole latent, or go on from a piece of one."""

from abc import abstractmethod

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.parts import Decoder
from signaltok.types.memory import Memory


class CausalVideoDecoder(Decoder):
    """The mirror of encoders.causal_video."""

    causal = True

    def forward(
        self, z_q: Float[Tensor, "b d t h w"], lengths: Int64[Tensor, "b 3"] | None
    ) -> Float[Tensor, "b c t_out h_out w_out"]:
        """See Decoder."""
        return self._decoded(z_q, lengths, None)

    def carry_on(self, piece: Float[Tensor, "1 d t h w"], memory: Memory) -> Float[Tensor, "1 c t_out h_out w_out"]:
        """See Decoder."""
        return self._decoded(piece, None, memory)

    @abstractmethod
    def _decoded(self, z_q: Tensor, cells: Tensor | None, memory: Memory | None) -> Tensor:
        """The signal; cells: the valid ones of each item, None for all."""
