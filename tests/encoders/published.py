"""Our codecs in the shapes of published ones, and the weights of the public packages' models copied into ours."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from signaltok.decoders.codec import CodecDecoder
from signaltok.encoders.codec import CodecEncoder
from signaltok.layers.activation import Elu, Snake, SnakeLayer
from signaltok.layers.convolution import Convolution, TransposedConvolution
from signaltok.layers.convolutions import Convolutions
from signaltok.layers.group_norm import TimeGroupNorm
from signaltok.layers.local_attention import LocalAttention
from signaltok.layers.lstm import Lstm
from signaltok.layers.residual_unit import ResidualUnits
from signaltok.layers.weight_norm import length
from signaltok.layers.windowed_transformer import WindowedBlock, WindowedTransformer

KERNELS = (nn.Conv1d, nn.ConvTranspose1d)


def codec(
    *,
    channels: int,
    width: int,
    strides: list[int],
    last_kernels: tuple[int, int],
    top: int,
    latent_dim: int,
    units: ResidualUnits,
    snake: bool,
    convolutions: Convolutions,
    bottleneck: Callable[[int], nn.Module | None] = lambda width: None,
    latent: Callable[[], list[nn.Module]] = list,
    mirrored: Callable[[], list[nn.Module]] = list,
    depthwise: bool = False,
    completion: str = "layers",
) -> tuple[CodecEncoder, CodecDecoder]:
    """top: the decoder's width at its coarsest. latent and mirrored: the two sides' layers at the latent."""
    shared = {
        "axes": 1,
        "channels": channels,
        "kernel": 7,
        "units": units,
        "activation": Snake() if snake else Elu(),
        "convolutions": convolutions,
        "depthwise": depthwise,
        "latent_dim": latent_dim,
    }
    inner, outer = bottleneck(width * 2 ** len(strides)), bottleneck(top)
    encoder = CodecEncoder(
        width=width,
        strides=strides,
        last_kernel=last_kernels[0],
        last_activation=not depthwise,
        bottleneck=None if inner is None else [inner],
        latent_layers=latent(),
        completion=completion,
        **shared,
    )
    decoder = CodecDecoder(
        width=top // 2 ** len(strides),
        strides=strides,
        last_kernel=last_kernels[1],
        noise=depthwise,
        final_tanh=snake,
        bottleneck=None if outer is None else [outer],
        latent_layers=mirrored(),
        **shared,
    )
    return encoder.eval(), decoder.eval()


def encodec(stereo: bool = False, width: int = 32, latent_dim: int = 128) -> tuple[CodecEncoder, CodecDecoder]:
    rule = ("same", "time_group") if stereo else ("causal", "weight")
    return codec(
        channels=2 if stereo else 1,
        width=width,
        strides=[2, 4, 5, 8],
        last_kernels=(7, 7),
        top=16 * width,
        latent_dim=latent_dim,
        units=ResidualUnits(kernel=3, dilations=[1], compress=2, shortcut=True),
        snake=False,
        convolutions=Convolutions(padding=rule[0], mode="reflect", norm=rule[1]),
        bottleneck=lambda width: Lstm(width=width, layers=2),
    )


def dac(width: int, top: int, strides: list[int]) -> tuple[CodecEncoder, CodecDecoder]:
    return codec(
        channels=1,
        width=width,
        strides=strides,
        last_kernels=(3, 7),
        top=top,
        latent_dim=width * 2 ** len(strides),
        units=ResidualUnits(kernel=7, dilations=[1, 3, 9], compress=1, shortcut=False),
        snake=True,
        convolutions=Convolutions(padding="same", mode="constant", norm="weight"),
        completion="signal",
    )


def snac(width: int, top: int, strides: list[int], window: int | None) -> tuple[CodecEncoder, CodecDecoder]:
    return codec(
        channels=1,
        width=width,
        strides=strides,
        last_kernels=(7, 7),
        top=top,
        latent_dim=width * 2 ** len(strides),
        units=ResidualUnits(kernel=7, dilations=[1, 3, 9], compress=1, shortcut=False),
        snake=True,
        convolutions=Convolutions(padding="same", mode="constant", norm="weight"),
        bottleneck=lambda width: None if window is None else LocalAttention(width=width, window=window, head_dim=64),
        depthwise=True,
        completion="signal",
    )


def mimi(
    width: int, latent_dim: int, depth: int, heads: int, inner: int, window: int
) -> tuple[CodecEncoder, CodecDecoder]:
    def transformer() -> WindowedTransformer:
        return WindowedTransformer(
            width=latent_dim, depth=depth, heads=heads, inner=inner, window=window, layer_scale=0.01
        )

    plain = {"axes": 1, "inputs": latent_dim, "outputs": latent_dim, "kernel": 4, "stride": 2, "bias": False}
    plain |= {"padding": "causal", "norm": None}
    return codec(
        channels=1,
        width=width,
        strides=[4, 5, 6, 8],
        last_kernels=(3, 3),
        top=16 * width,
        latent_dim=latent_dim,
        units=ResidualUnits(kernel=3, dilations=[1], compress=2, shortcut=False),
        snake=False,
        convolutions=Convolutions(padding="causal", mode="constant", norm=None),
        latent=lambda: [transformer(), Convolution(dilation=1, groups=1, mode="replicate", **plain)],
        mirrored=lambda: [TransposedConvolution(groups=latent_dim, **plain), transformer()],
    )


def _ours(part: nn.Module) -> Iterator[nn.Module]:
    kinds = (Convolution, TransposedConvolution, SnakeLayer, nn.LSTM, TimeGroupNorm, LocalAttention, WindowedBlock)
    yield from (module for module in part.modules() if isinstance(module, kinds))


def _theirs(part: nn.Module) -> Iterator[nn.Module]:
    names = {"Snake1d", "LocalMHA", "MimiTransformerLayer"}
    for module in part.modules():
        if isinstance(module, (*KERNELS, nn.LSTM, nn.GroupNorm)) or type(module).__name__ in names:
            yield module


@torch.no_grad()
def copy_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Layer by layer in the order they are registered in, which is the same in both."""
    for own, other in zip(_ours(ours), _theirs(theirs), strict=True):
        if isinstance(own, Convolution | TransposedConvolution):
            weight = _kernel(other)
            own.weight.copy_(weight)
            if own.weight_gain is not None:
                own.weight_gain.copy_(length(weight))
            assert (own.bias is None) == (other.bias is None)
            if own.bias is not None:
                own.bias.copy_(other.bias)
        elif isinstance(own, SnakeLayer):
            own.alpha.copy_(other.alpha[0, :, 0])
        elif isinstance(own, nn.LSTM):
            own.load_state_dict(other.state_dict())
        elif isinstance(own, TimeGroupNorm):
            own.weight.copy_(other.weight)
            own.bias.copy_(other.bias)
        elif isinstance(own, LocalAttention):
            own.norm.load_state_dict(other.norm.state_dict())
            own.query_key_value.weight.copy_(other.to_qkv.weight)
            own.project.weight.copy_(other.to_out.weight)
        else:
            assert isinstance(own, WindowedBlock)
            own.norm_attention.load_state_dict(other.input_layernorm.state_dict())
            own.norm_mlp.load_state_dict(other.post_attention_layernorm.state_dict())
            attention = other.self_attn
            own.query_key_value.weight.copy_(
                torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight])
            )
            own.project.weight.copy_(attention.o_proj.weight)
            own.mlp_in.weight.copy_(other.mlp.fc1.weight)
            own.mlp_out.weight.copy_(other.mlp.fc2.weight)
            own.scale_attention.copy_(other.self_attn_layer_scale.scale)
            own.scale_mlp.copy_(other.mlp_layer_scale.scale)


def _kernel(layer: nn.Module) -> Tensor:
    """The weight as it is used; the encodec package keeps direction and length as two parameters."""
    state = dict(layer.named_parameters())
    if "weight_g" in state:
        return state["weight_v"] * (state["weight_g"] / length(state["weight_v"]))
    return layer.weight


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
