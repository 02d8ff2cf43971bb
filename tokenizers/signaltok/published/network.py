"""The encoder and the decoder of a codec as the public models cut them: shared parts given once."""

from collections.abc import Sequence

from signaltok.decoders.codec import CodecDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.layers.activation import Activation
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.layers.signal_layer import SignalLayer

Sides = tuple[Sequence[SignalLayer], Sequence[SignalLayer]]  # layers of the encoder, of the decoder


def networks(
    *,
    channels: int,
    width: int,
    top: int,
    strides: list[int],
    kernel: int,
    last_kernels: tuple[int, int],
    latent_dim: int,
    units: ResidualUnits,
    activation: Activation,
    convolutions: Convolutions,
    bottleneck: Sides,
    latent: Sides,
    last_activation: bool,
    depthwise: bool,
    noise: bool,
    final_tanh: bool,
    completion: str,
) -> tuple[CodecEncoder, CodecDecoder]:
    """strides: finest first. top: the decoder's width at its coarsest, where the encoder's is width * 2^strides.

    Raises ValueError where the decoder's width cannot be halved at each stride.
    """
    halvings = 2 ** len(strides)
    if top % halvings:
        raise ValueError(f"a decoder of width {top} cannot be halved at each of the strides {strides}")
    encoder = CodecEncoder(
        axes=1,
        channels=channels,
        width=width,
        strides=strides,
        kernel=kernel,
        last_kernel=last_kernels[0],
        last_activation=last_activation,
        depthwise=depthwise,
        units=units,
        activation=activation,
        convolutions=convolutions,
        bottleneck=bottleneck[0] or None,
        latent_layers=latent[0] or None,
        latent_dim=latent_dim,
        completion=completion,
    )
    decoder = CodecDecoder(
        axes=1,
        channels=channels,
        width=top // halvings,
        strides=strides,
        kernel=kernel,
        last_kernel=last_kernels[1],
        depthwise=depthwise,
        noise=noise,
        final_tanh=final_tanh,
        units=units,
        activation=activation,
        convolutions=convolutions,
        bottleneck=bottleneck[1] or None,
        latent_layers=latent[1] or None,
        latent_dim=latent_dim,
    )
    return encoder, decoder
