"""What causal encoders of videos have in common: whole cells, led by copies of the first frame, piece after piece."""

from abc import abstractmethod

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.time_convolution import completed
from signaltok.parts import Encoder
from signaltok.types.memory import Memory
from signaltok.types.token_stack import WHOLE, grid_lengths


class CausalVideoEncoder(Encoder):
    """lead: frames that the first cell lacks, if any; they are copies of the first one."""

    causal = True

    def forward(
        self, signal: Float[Tensor, "b c t h w"], lengths: Int64[Tensor, "b 3"] | None
    ) -> Float[Tensor, "b d t_out h_out w_out"]:
        """See Encoder."""
        cells = None if lengths is None else grid_lengths(lengths, self.stride, WHOLE, self.lead)
        return self._encoded(completed(signal, self._lead, self.stride, lengths), cells, None)

    def carry_on(self, piece: Float[Tensor, "1 c t h w"], memory: Memory) -> Float[Tensor, "1 d t_out h_out w_out"]:
        """See Encoder."""
        lead = (0, 0, 0) if self in memory.kept else self._lead
        memory.kept[self] = ()
        whole = (piece.shape[2] + lead[0]) % self.stride[0] == 0
        assert memory.last or whole, f"a piece of {piece.shape[2]} frames is not whole at stride {self.stride[0]}"
        return self._encoded(completed(piece, lead, self.stride, None), None, memory)

    @property
    def _lead(self) -> tuple[int, ...]:
        return self.lead or (0, 0, 0)

    @abstractmethod
    def _encoded(self, x: Tensor, cells: Tensor | None, memory: Memory | None) -> Tensor:
        """The latent of whole cells; cells: the valid ones of each item, None for all."""
