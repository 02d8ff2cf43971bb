"""Mimi's weights as its authors release them for their own package, under the names and in the order of transformers.

The two turn a head's channels by positions in pairs that lie side by side, or a half apart, so that rows of queries and
keys change places.
"""

import math
import re

from torch import Tensor

from signaltok.published.source import Source

# The layers' names, there and here.
NAMES = (
    (r"\.(conv|convtr)(\.\1)+\.", ".conv."),
    (r"^(encoder|decoder)\.model\.", r"\1.layers."),
    (r"_transformer\.transformer\.", "_transformer."),
    (r"\.self_attn\.out_proj\.", ".self_attn.o_proj."),
    (r"\.norm1\.", ".input_layernorm."),
    (r"\.norm2\.", ".post_attention_layernorm."),
    (r"\.linear(\d)\.", r".mlp.fc\1."),
    (r"\.layer_scale_1\.", ".self_attn_layer_scale."),
    (r"\.layer_scale_2\.", ".mlp_layer_scale."),
    (r"\.rvq_first\.", ".semantic_residual_vector_quantizer."),
    (r"\.rvq_rest\.", ".acoustic_residual_vector_quantizer."),
    (r"\.vq\.layers\.", ".layers."),
    (r"\._codebook\._initialized$", ".codebook.initialized"),
    (r"\._codebook\.embedding_sum$", ".codebook.embed_sum"),
    (r"\._codebook\.", ".codebook."),
)
TOGETHER = ".self_attn.in_proj_weight"
HEAD_DIM = 64
# What the tensors do not say, as the released model has it.
RELEASED = {
    "sampling_rate": 24_000,
    "sliding_window": 250,
    "layer_scale_initial_scale": 0.01,
    "num_residual_layers": 1,
    "dilation_growth_rate": 2,
    "pad_mode": "constant",
    "use_conv_shortcut": False,
}


def as_transformers(source: Source) -> Source:
    """The same weights with names and options of transformers. Raises ValueError where a size cannot be told."""
    tensors: dict[str, Tensor] = {}
    for name, value in source.tensors.items():
        if name.endswith(TOGETHER):
            place = name.removesuffix(TOGETHER).replace("_transformer.transformer.", "_transformer.")
            for kind, rows in zip("qkv", value.chunk(3), strict=True):
                tensors[f"{place}.self_attn.{kind}_proj.weight"] = rows if kind == "v" else halves(rows, HEAD_DIM)
            continue
        renamed = name
        for there, here in NAMES:
            renamed = re.sub(there, here, renamed)
        tensors[renamed] = value
    renamed_source = Source(source.path, tensors, None)
    return Source(source.path, tensors, _options(renamed_source))


def halves(rows: Tensor, head_dim: int) -> Tensor:
    """Rows [heads * head_dim, d] from pairs side by side to pairs a half of the head apart."""
    heads, width = len(rows) // head_dim, rows.shape[1]
    return rows.reshape(heads, head_dim // 2, 2, width).transpose(1, 2).reshape(len(rows), width)


def _options(source: Source) -> dict:
    ratios = []
    while source.has(f"decoder.layers.{3 * len(ratios) + 3}.block."):
        ratios.append(source.size(f"decoder.layers.{3 * len(ratios) + 2}.conv.weight", 2) // 2)
    width, last = source.size("encoder.layers.0.conv.weight", 0), f"encoder.layers.{3 * len(ratios) + 2}.conv.weight"
    dim, frames = source.size(last, 0), math.ceil(RELEASED["sampling_rate"] / math.prod(ratios))
    book = "quantizer.semantic_residual_vector_quantizer.layers.0.codebook.embed_sum"
    layer = "encoder_transformer.layers.0.mlp.fc1.weight"
    return {
        **RELEASED,
        "audio_channels": source.size("encoder.layers.0.conv.weight", 1),
        "num_filters": width,
        "kernel_size": source.size("encoder.layers.0.conv.weight", 2),
        "residual_kernel_size": source.size("encoder.layers.1.block.1.conv.weight", 2),
        "compress": width // source.size("encoder.layers.1.block.1.conv.weight", 0),
        "last_kernel_size": source.size(last, 2),
        "upsampling_ratios": ratios,
        "hidden_size": dim,
        "upsample_groups": dim,
        "num_attention_heads": dim // HEAD_DIM,
        "num_key_value_heads": dim // HEAD_DIM,
        "intermediate_size": source.size(layer, 0),
        "num_hidden_layers": sum(
            name.startswith("encoder_transformer.") and name.endswith(".mlp.fc1.weight") for name in source.tensors
        ),
        "frame_rate": frames / (source.size("downsample.conv.weight", 2) // 2),
        "codebook_size": source.size(book, 0),
        "codebook_dim": source.size(book, 1),
        "vector_quantization_hidden_dimension": source.size(book, 1),
        "num_quantizers": sum(name.endswith(".embed_sum") for name in source.tensors),
    }
