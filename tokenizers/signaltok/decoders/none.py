"""The decoder of a tokenizer that is trained to say what a signal is and not to give it back."""

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.parts import Decoder


class NoDecoder(Decoder):
    """Has no parameters and gives zeros of the right size, which nothing may look at: `reconstructs` is False.

    axes, channels, stride, latent_dim, tokens: those of the encoder.
    """

    reconstructs = False
    receptive_field = None

    def __init__(self, *, axes: int, channels: int, stride: int, latent_dim: int, tokens: int | None) -> None:
        super().__init__()
        self.axes, self.channels, self.stride = axes, channels, (stride,) * axes
        self.latent_dim, self.tokens = latent_dim, tokens

    def forward(
        self,
        z_q: Float[Tensor, "b d *l"],
        lengths: Int64[Tensor, "b axes"] | None,  # noqa: ARG002
        grid: tuple[int, ...] | None = None,
        grid_lengths: Int64[Tensor, "b axes"] | None = None,  # noqa: ARG002
    ) -> Float[Tensor, "b c *s"]:
        """Zeros; see Decoder."""
        cells = tuple(z_q.shape[2:]) if grid is None else grid
        size = [extent * step for extent, step in zip(cells, self.stride, strict=True)]
        return z_q.new_zeros(len(z_q), self.channels, *size)
