"""Another encoder's grid pooled to a few tokens: with one, an embedding of the whole signal.

Attention pooling with learned queries (Lee et al. 2019, Set Transformer, section 3.2), reduced to one head whose keys
are read off the features by a linear map: token t is the sum over positions of softmax(logit_t) * value.
"""

from jaxtyping import Float, Int64
from torch import Tensor, nn

from signaltok.layers.conv import conv
from signaltok.layers.query import check_tokens
from signaltok.layers.sphere import on_sphere
from signaltok.parts import Encoder
from signaltok.types.token_stack import grid_lengths, valid_mask


class PooledEncoder(Encoder):
    """signal [b, channels, *s] -> latent [b, latent_dim, tokens], whatever the size.

    features: an encoder with a grid over so many axes. spherical: whether each token is put on the sphere of
    layers.sphere, where objectives.align compares.
    """

    receptive_field = None  # pooling looks at the whole signal

    def __init__(self, *, axes: int, features: Encoder, latent_dim: int, tokens: int, spherical: bool) -> None:
        super().__init__()
        check_tokens(tokens)
        if features.tokens is not None:
            raise ValueError(
                f"encoder.features is a {type(features).__name__}, which gives tokens already; give one with a grid, "
                "such as signaltok.encoders.conv.ConvEncoder"
            )
        if features.axes != axes:
            raise ValueError(
                f"encoder.axes is {axes}, but encoder.features has {features.axes} axes; give both the same"
            )
        self.axes, self.channels, self.stride = axes, features.channels, features.stride
        self.latent_dim, self.tokens, self.spherical = latent_dim, tokens, spherical
        self.features = features
        self.logits = nn.Conv1d(features.latent_dim, tokens, 1, bias=False)  # a bias would drop out of the softmax
        self.project = conv(1, features.latent_dim, latent_dim, 1)

    def forward(
        self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None
    ) -> Float[Tensor, "b d n"]:
        """See Encoder."""
        grid = self.features(signal, lengths)
        x = grid.flatten(2)
        logits = self.logits(x)
        if lengths is not None:
            mask = valid_mask(grid_lengths(lengths, self.stride), tuple(grid.shape[2:]))
            # What stands in the padding is weighed with nothing and is finite.
            x = x.masked_fill(~mask.flatten(2), 0.0)
            logits = logits.masked_fill(~mask.flatten(2), float("-inf"))
        pooled = x @ logits.softmax(2).to(x.dtype).transpose(1, 2)
        latent = self.project(pooled)
        return on_sphere(latent.float() if latent.dtype.itemsize < 4 else latent) if self.spherical else latent
