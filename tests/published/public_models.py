"""Public models with random weights at small widths, each saved in a form of its own, and what they compute."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

SAMPLE_RATE = 2_000  # so that a block, of a second, is shorter than the signals


@dataclass(frozen=True)
class Public:
    """encode: signal [1, 1, n] -> codes of each level [1, ...]; decode: those -> signal. stride: samples a cell.

    whole: samples at whose multiples the model keeps all. any_length: whether it takes other lengths as they are.
    """

    family: str
    model: nn.Module
    save: Callable[[Path], Path]
    encode: Callable[[Tensor], tuple[Tensor, ...]]
    decode: Callable[[tuple[Tensor, ...]], Tensor]
    whole: int
    any_length: bool


def randomised(model: nn.Module) -> nn.Module:
    """Biases, norms and slopes that are no zeros and ones, so that none can be left out unseen."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 or "alpha" in name:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def sound(length: int) -> Tensor:
    """Noise that grows louder, [1, 1, length]."""
    noise = torch.rand(1, 1, length, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return noise * torch.linspace(0.1, 1, length)


@torch.no_grad()
def spread_books(z: Tensor, books: list[Tensor]) -> list[Tensor]:
    """Vectors for a residual stack from what it quantizes, [1, d, l], so that every level uses many."""
    rows, generator, found = z[0].transpose(0, 1), torch.Generator().manual_seed(2), []
    for book in books:
        found.append(rows[torch.randperm(len(rows), generator=generator)[: len(book)]].clone())
        rows = rows - found[-1][torch.cdist(rows, found[-1]).argmin(1)]
    return found


@torch.no_grad()
def spread_angles(z: Tensor, levels: nn.ModuleList, strides: list[int]) -> None:
    """The same for factorised levels: their projections are centred."""
    for level, stride in zip(levels, strides, strict=True):
        level.in_proj.bias.sub_(level.in_proj(nn.functional.avg_pool1d(z, stride)).mean((0, 2)))
        z = z - level(z)[0]


def _saved(model: nn.Module) -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        model.save_pretrained(folder / "public")
        return folder / "public"

    return save


def encodec_of_transformers() -> Public:
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    rate = SAMPLE_RATE
    config = EncodecConfig(
        hidden_size=8,
        codebook_dim=8,
        num_filters=4,
        num_residual_layers=2,
        upsampling_ratios=[5, 2],
        codebook_size=16,
        sampling_rate=rate,
        target_bandwidths=[0.8, 2.4],  # 200 frames a second of 4 bits
    )
    model = randomised(EncodecModel(config))
    _spread_averages(model, [layer.codebook for layer in model.quantizer.layers])
    return Public(
        "encodec",
        model,
        _saved(model),
        lambda x: model.encode(x, bandwidth=2.4).audio_codes[0].unbind(1),
        lambda codes: model.decode(torch.stack(codes, 1)[None], [None]).audio_values,
        10,
        True,
    )


@torch.no_grad()
def _spread_averages(model: nn.Module, books: list[nn.Module]) -> None:
    """Of EnCodec, with averages that are not the vectors, as after training."""
    for book, found in zip(books, spread_books(model.encoder(sound(8_000)), [own.embed for own in books]), strict=True):
        book.embed.copy_(found)
        book.cluster_size.copy_(torch.linspace(1, 3, len(found)))
        book.embed_avg.copy_(found * book.cluster_size[:, None])


def encodec_of_its_package() -> Public:
    from encodec import EncodecModel
    from encodec.modules import SEANetDecoder, SEANetEncoder
    from encodec.quantization import ResidualVectorQuantizer

    torch.manual_seed(0)
    shape = {"dimension": 8, "n_filters": 4, "ratios": [5, 4], "norm": "weight_norm", "causal": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package uses the older form of weight norm
        halves = SEANetEncoder(**shape), SEANetDecoder(**shape)
    quantizer = ResidualVectorQuantizer(dimension=8, n_q=3, bins=16, kmeans_init=False)
    model = EncodecModel(*halves, quantizer, [14.4], 24_000, 1)
    randomised(model)
    _spread_averages(model, [layer._codebook for layer in model.quantizer.vq.layers])
    model.set_target_bandwidth(14.4)

    def save(folder: Path) -> Path:
        torch.save(model.state_dict(), folder / "encodec_24khz-d7cc33bc.th")
        return folder / "encodec_24khz-d7cc33bc.th"

    return Public(
        "encodec",
        model,
        save,
        lambda x: model.encode(x)[0][0].unbind(1),
        lambda codes: model.decode([(torch.stack(codes, 1), None)]),
        20,
        True,
    )


def dac_of_transformers(strides: list[int]) -> Public:
    from transformers import DacConfig, DacModel

    torch.manual_seed(0)
    config = DacConfig(
        encoder_hidden_size=8,
        decoder_hidden_size=16,
        downsampling_ratios=strides,
        n_codebooks=3,
        codebook_size=16,
        codebook_dim=4,
        sampling_rate=SAMPLE_RATE,
    )
    model = randomised(DacModel(config))
    with torch.no_grad():
        spread_angles(model.encoder(sound(8_000)), model.quantizer.quantizers, [1, 1, 1])
    whole = torch.tensor(strides).prod().item()
    return Public(
        "dac",
        model,
        _saved(model),
        lambda x: model.encode(x).audio_codes.unbind(1),
        lambda codes: model.decode(audio_codes=torch.stack(codes, 1)).audio_values[:, None],
        int(whole),
        False,
    )


def dac_of_its_release() -> Public:
    """The release's names, and weight norm, given to the weights of transformers' model, which it computes alike."""
    public = dac_of_transformers([2, 4])

    def save(folder: Path) -> Path:
        content: dict[str, Tensor] = {}
        for name, value in public.model.state_dict().items():
            for released, tensor in _as_released(name, value).items():
                content[released] = tensor
        options = {
            "encoder_dim": 8,
            "encoder_rates": [2, 4],
            "decoder_dim": 16,
            "decoder_rates": [4, 2],
            "latent_dim": None,
            "n_codebooks": 3,
            "codebook_size": 16,
            "codebook_dim": 4,
            "quantizer_dropout": 0.5,
            "sample_rate": SAMPLE_RATE,
        }
        torch.save({"state_dict": content, "metadata": {"kwargs": options}}, folder / "weights.pth")
        return folder / "weights.pth"

    return Public(public.family, public.model, save, public.encode, public.decode, public.whole, False)


def _as_released(name: str, value: Tensor) -> dict[str, Tensor]:
    numbers = {"snake1": "0", "conv1": "1", "snake2": "2", "conv2": "3"}
    half, *rest, last = name.split(".")
    first = "encoder.block" if half == "encoder" else "decoder.model"
    if half == "quantizer":
        released = name.rpartition(".")[0]
    elif rest[0] == "block":
        stage, layer = int(rest[1]), rest[2]
        place = f"{first}.{stage + 1}.block"
        if layer.startswith("res_unit"):
            unit = int(layer[-1]) - 1 + (0 if half == "encoder" else 2)
            released = f"{place}.{unit}.block.{numbers[rest[3]]}"
        else:
            own = {"encoder": {"snake1": 3, "conv1": 4}, "decoder": {"snake1": 0, "conv_t1": 1}}
            released = f"{place}.{own[half][layer]}"
    else:
        released = f"{first}.{ {'conv1': 0, 'snake1': 3, 'conv2': 4}[rest[0]] }"
    if last != "weight" or value.ndim != 3:
        return {f"{released}.{last}": value}
    length = value.flatten(1).norm(dim=1).view(-1, 1, 1)
    return {f"{released}.weight_v": 3 * value, f"{released}.weight_g": length}


def snac(window: int | None) -> Public:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package scripts its Snake
        from snac import SNAC

    torch.manual_seed(0)
    options = {
        "sampling_rate": SAMPLE_RATE,
        "encoder_dim": 16,
        "encoder_rates": [2, 5],
        "decoder_dim": 64,
        "decoder_rates": [5, 2],
        "attn_window_size": window,
        "codebook_size": 16,
        "codebook_dim": 4,
        "vq_strides": [4, 2, 1],
        "noise": True,
        "depthwise": True,
    }
    model = randomised(SNAC(**options))
    with torch.no_grad():
        spread_angles(model.encoder(sound(8_000)), model.quantizer.quantizers, options["vq_strides"])

    def save(folder: Path) -> Path:
        (folder / "config.json").write_text(json.dumps(options))
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        return folder

    return Public(
        "snac",
        model,
        save,
        lambda x: tuple(model.encode(x)),
        lambda codes: model.decode(list(codes)),
        10 * 4,
        False,
    )


def mimi(dim: int = 32, heads: int = 2, window: int = 5, rate: int = SAMPLE_RATE) -> Public:
    from transformers import MimiConfig, MimiModel

    torch.manual_seed(0)
    config = MimiConfig(
        num_filters=4,
        hidden_size=dim,
        num_hidden_layers=2,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=dim // heads,
        intermediate_size=48,
        sliding_window=window,
        upsample_groups=dim,
        upsampling_ratios=[5, 2],
        num_quantizers=4,
        codebook_size=16,
        codebook_dim=8,
        vector_quantization_hidden_dimension=8,
        sampling_rate=rate,
    )
    model = randomised(MimiModel(config))
    with torch.no_grad():
        z = model.encoder(sound(8_000)).latents
        for half in (
            model.quantizer.semantic_residual_vector_quantizer,
            model.quantizer.acoustic_residual_vector_quantizer,
        ):
            books = [layer.codebook for layer in half.layers]
            found = spread_books(half.input_proj(z), [book.embed_sum for book in books])
            for book, vectors in zip(books, found, strict=True):
                book.cluster_usage.copy_(torch.linspace(0.5, 2, len(vectors)))
                book.embed_sum.copy_(vectors * book.cluster_usage[:, None])
    return Public(
        "mimi",
        model,
        _saved(model),
        lambda x: model.encode(x).audio_codes.unbind(1),
        lambda codes: model.decode(torch.stack(codes, 1)).audio_values,
        20,
        True,
    )


def mimi_of_its_release() -> Public:
    """The release's names and its order of queries and keys, given to the weights of transformers' model."""
    public = mimi(dim=128, heads=2, window=250, rate=24_000)

    def save(folder: Path) -> Path:
        content: dict[str, Tensor] = {}
        public.model.save_pretrained(folder / "public")
        state = load_file(folder / "public" / "model.safetensors")
        for name, value in state.items():
            if ".q_proj." in name:
                rows = [state[name.replace(".q_proj.", f".{kind}_proj.")] for kind in "qkv"]
                paired = [own.view(2, 2, 32, 128).transpose(1, 2).reshape(128, 128) for own in rows[:2]]
                content[_of_kyutai(name).replace("q_proj.weight", "in_proj_weight")] = torch.cat([*paired, rows[2]])
            elif ".k_proj." not in name and ".v_proj." not in name:
                content[_of_kyutai(name)] = value.contiguous()
        save_file(content, folder / "tokenizer-checkpoint125.safetensors")
        return folder / "tokenizer-checkpoint125.safetensors"

    return Public("mimi", public.model, save, public.encode, public.decode, public.whole, True)


def _of_kyutai(name: str) -> str:
    if name.startswith("decoder.layers.") and name.split(".")[2] in ("2", "5"):
        return name.replace("decoder.layers", "decoder.model").replace(".conv.", ".convtr.convtr.")
    for ours, theirs in (
        ("downsample.conv.", "downsample.conv.conv.conv."),
        ("upsample.conv.", "upsample.convtr.convtr.convtr."),
    ):
        if name.startswith(ours):
            return name.replace(ours, theirs)
    for ours, theirs in (
        ("encoder.layers.", "encoder.model."),
        ("decoder.layers.", "decoder.model."),
        (".conv.", ".conv.conv."),
        ("_transformer.layers.", "_transformer.transformer.layers."),
        ("mlp.fc", "linear"),
        ("o_proj", "out_proj"),
        ("input_layernorm", "norm1"),
        ("post_attention_layernorm", "norm2"),
        ("self_attn_layer_scale", "layer_scale_1"),
        ("mlp_layer_scale", "layer_scale_2"),
        (".codebook.initialized", "._codebook._initialized"),
        (".codebook.embed_sum", "._codebook.embedding_sum"),
        (".codebook.", "._codebook."),
        ("semantic_residual_vector_quantizer.layers", "rvq_first.vq.layers"),
        ("semantic_residual_vector_quantizer", "rvq_first"),
        ("acoustic_residual_vector_quantizer.layers", "rvq_rest.vq.layers"),
        ("acoustic_residual_vector_quantizer", "rvq_rest"),
    ):
        name = name.replace(ours, theirs)
    return name
