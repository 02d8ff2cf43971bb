"""The decoder of a tokenizer of speech: it gives what was said, and no waveform."""

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.parts import Decoder
from signaltok.text.spelling import Spelling
from signaltok.types.runs import collapsed


class TextDecoder(Decoder):
    """Reads vectors as scores of the tokens of a spelling, the last channel that of the blank. It has no parameters.

    axes: 1. channels, stride, latent_dim: those of the encoder; latent_dim is spelling.size + 1.
    """

    reconstructs = False
    writes = True
    receptive_field = None

    def __init__(self, *, axes: int, channels: int, stride: int, latent_dim: int, spelling: Spelling) -> None:
        super().__init__()
        if axes != 1:
            raise ValueError(f"decoder.axes is {axes}, but what is said comes one after the other: axes must be 1")
        if latent_dim != spelling.size + 1:
            raise ValueError(
                f"the spelling has {spelling.size} tokens, and with the blank the latent needs {spelling.size + 1} "
                f"channels; set encoder.latent_dim={spelling.size + 1} (it is {latent_dim})"
            )
        self.axes, self.channels, self.stride = axes, channels, (stride,)
        self.latent_dim, self.spelling = latent_dim, spelling

    def forward(
        self,
        z_q: Float[Tensor, "b d l"],
        lengths: Int64[Tensor, "b 1"] | None,  # noqa: ARG002
    ) -> Float[Tensor, "b c n"]:
        """Zeros, which nothing may look at; see `reconstructs`."""
        return z_q.new_zeros(len(z_q), self.channels, z_q.shape[2] * self.stride[0])

    def text(self, z_q: Float[Tensor, "1 d l"]) -> str:
        """See Decoder."""
        tokens, _ = collapsed(z_q[0].argmax(0), self.latent_dim - 1, 1, z_q.shape[2])
        return self.spelling.text(tokens.tolist())

    def pieces(self, tokens: Int64[Tensor, " n"]) -> list[str]:
        """See Decoder."""
        return self.spelling.pieces(tokens.tolist())
