"""A decoder that gives a distribution of every value: the discrete VAE's (Ramesh et al. 2021, appendix A.3).

The decoder inside has twice the channels: location mu and log scale ln b of a logit-Laplace distribution. The signal
is sigmoid(mu), mapped back to the value range; only the likelihood reads the scale.
"""

from collections.abc import Sequence

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.exactness import full_precision
from signaltok.layers.logit_laplace import from_interval
from signaltok.parts import Decoder


class LogitLaplaceDecoder(Decoder):
    """latent [b, latent_dim, *l] -> signal [b, channels, *l * stride]; in training with location and log scale.

    decoder: any decoder of 2 * channels channels. value_range: (low, high) of the signal.
    """

    def __init__(self, *, decoder: Decoder, channels: int, value_range: Sequence[float]) -> None:
        super().__init__()
        if decoder.channels != 2 * channels:
            raise ValueError(
                f"the decoder inside must give location and scale of {channels} channels, so {2 * channels}, but "
                f"gives {decoder.channels}; set decoder.decoder.channels={2 * channels}"
            )
        self.decoder = decoder
        self.axes, self.latent_dim, self.stride = decoder.axes, decoder.latent_dim, decoder.stride
        self.receptive_field = decoder.receptive_field
        self.channels = channels
        self.low, self.high = (float(value) for value in value_range)

    def forward(self, z_q: Float[Tensor, "b d *l"], lengths: Int64[Tensor, "b axes"] | None) -> Float[Tensor, "b c *s"]:
        """The signal alone; see Decoder."""
        return self.learn(z_q, lengths)[0]

    def learn(
        self, z_q: Float[Tensor, "b d *l"], lengths: Int64[Tensor, "b axes"] | None
    ) -> tuple[Float[Tensor, "b c *s"], Float[Tensor, "b two_c *s"]]:
        """The signal, and location and log scale one after the other on the channel axis."""
        likelihood = full_precision(self.decoder(z_q, lengths))
        location = likelihood[:, : self.channels]
        return from_interval(location.sigmoid(), self.low, self.high), likelihood
