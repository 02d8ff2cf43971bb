"""What the adapter knows of each class of vector-quantize-pytorch: how to call it, and how to look its codes up.

Everything here is channels last: latents [b, n, d], codes [b, n, q] with the outermost level first, and -1 only
where quantizer dropout has left a level out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Called = tuple[Tensor, Tensor, Tensor | None]


@dataclass(frozen=True)
class Known:
    """inner: the class that takes what this one hands on as **kwargs. call: (z_q, codes, loss) of a training pass.

    losses: "none", "commitment" (a commitment loss, and perhaps others with it) or "sum" (a sum of several).
    """

    inner: str | None
    losses: str
    sizes: Callable[[Any], tuple[int, ...]]
    call: Callable[[Any, Tensor], Called]
    encode: Callable[[Any, Tensor], Tensor]
    decode: Callable[[Any, Tensor], Tensor]


def _call(module: Any, z: Tensor) -> Called:
    z_q, codes, *rest = module(z)
    return z_q, codes if codes.ndim == 3 else codes[..., None], rest[0].mean() if rest else None


def _encode(module: Any, z: Tensor) -> Tensor:
    return _call(module, z)[1]


def _call_grouped(module: Any, z: Tensor) -> Called:
    z_q, codes, *rest = module(z)
    return z_q, codes.permute(1, 2, 3, 0).flatten(2), rest[0].mean() if rest else None


def _encode_grouped(module: Any, z: Tensor) -> Tensor:
    return _call_grouped(module, z)[1]


def _decode_vector(module: Any, codes: Tensor) -> Tensor:
    if module.heads > 1 and not module.separate_codebook_per_head:
        return module.project_out(module.codebook[codes].flatten(2))
    return module.get_output_from_indices(codes if module.heads > 1 else codes[..., 0])


def _decode_residual(module: Any, codes: Tensor) -> Tensor:
    return module.get_output_from_indices(_all_levels(codes, module.num_quantizers))


def _decode_residual_lattice(module: Any, codes: Tensor) -> Tensor:
    """Layer by layer: the library's own lookup leaves out the rotation and the normalisation of its layers."""
    scales = getattr(module, "scales", None)
    total: Tensor | None = None
    for number, level in enumerate(codes.unbind(-1)):
        values = module.layers[number].indices_to_codes(level.clamp_min(0)).masked_fill(level[..., None] < 0, 0.0)
        values = values if scales is None else values * scales[number]
        total = values if total is None else total + values
    assert total is not None, "a residual quantizer has at least one level"
    return module.project_out(total)


def _decode_grouped(decode: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
    def decode_groups(module: Any, codes: Tensor) -> Tensor:
        whole = _all_levels(codes, module.groups * module.rvqs[0].num_quantizers)
        groups = whole.unflatten(2, (-1, module.groups)).unbind(-1)
        return torch.cat([decode(member, group) for member, group in zip(module.rvqs, groups, strict=True)], -1)

    return decode_groups


def _all_levels(codes: Tensor, count: int) -> Tensor:
    return F.pad(codes, (0, count - codes.shape[-1]), value=-1)


def _decode_lattice(module: Any, codes: Tensor) -> Tensor:
    return module.indices_to_codes(codes if module.keep_num_codebooks_dim else codes[..., 0])


def _decode_single(module: Any, codes: Tensor) -> Tensor:
    return module.indices_to_codes(codes[..., 0])


def _encode_perturbed(module: Any, z: Tensor) -> Tensor:
    """Without the batch statistics of the class's forward, which a single position does not have."""
    values = module.act_func(module.project_in(z))
    digits = module.quantize_act_value(values, eps=torch.finfo(z.dtype).eps)[1]
    return module.level_indices_to_indices(digits)[..., None]


def _call_latent(module: Any, z: Tensor) -> Called:
    z_q, _, loss = module(z.transpose(1, 2))
    with torch.no_grad():
        return z_q.transpose(1, 2), _encode_latent(module, z), loss


def _encode_latent(module: Any, z: Tensor) -> Tensor:
    """By the values themselves: the class's own codes truncate, and its lookup ignores its values."""
    inner = module.project_in(z).unflatten(-1, (module.num_codebooks, -1))
    pairs = zip(inner.unbind(-1), module.values_per_latent, strict=True)
    digits = torch.stack([(channel[..., None] - values).abs().argmin(-1) for channel, values in pairs], -1)
    return (digits * module._basis).sum(-1)


def _decode_latent(module: Any, codes: Tensor) -> Tensor:
    digits = codes[..., None] // module._basis % module._levels
    pairs = zip(digits.unbind(-1), module.values_per_latent, strict=True)
    return module.project_out(torch.stack([values[digit] for digit, values in pairs], -1).flatten(2))


def _freeze_values(module: nn.Module) -> None:
    """LatentQuantize's values are parameters that no loss of the class reaches."""
    for name, parameter in module.named_parameters():
        if name.startswith("values_per_latent"):
            parameter.requires_grad_(False)


def _per_codebook(module: Any) -> tuple[int, ...]:
    return (module.codebook_size,) * module.num_codebooks


def _per_layer(module: Any) -> tuple[int, ...]:
    return tuple(layer.codebook_size for layer in module.layers)


def _per_group(module: Any) -> tuple[int, ...]:
    return tuple(size for size in _per_layer(module.rvqs[0]) for _ in range(module.groups))


def _single(module: Any) -> tuple[int, ...]:
    return (module.codebook_size,)


def _per_head(module: Any) -> tuple[int, ...]:
    return (module.codebook_size,) * module.heads


KNOWN = {
    "VectorQuantize": Known(None, "commitment", _per_head, _call, _encode, _decode_vector),
    "ResidualVQ": Known("VectorQuantize", "commitment", _per_layer, _call, _encode, _decode_residual),
    "GroupedResidualVQ": Known(
        "ResidualVQ", "commitment", _per_group, _call_grouped, _encode_grouped, _decode_grouped(_decode_residual)
    ),
    "SimVQ": Known(None, "sum", _single, _call, _encode, _decode_single),
    "ResidualSimVQ": Known("SimVQ", "sum", _per_layer, _call, _encode, _decode_residual),
    "FSQ": Known(None, "none", _per_codebook, _call, _encode, _decode_lattice),
    "ResidualFSQ": Known("FSQ", "none", _per_layer, _call, _encode, _decode_residual_lattice),
    "GroupedResidualFSQ": Known(
        "ResidualFSQ", "none", _per_group, _call_grouped, _encode_grouped, _decode_grouped(_decode_residual_lattice)
    ),
    "FSP": Known(None, "sum", _single, _call, _encode_perturbed, _decode_single),
    "LFQ": Known(None, "sum", _per_codebook, _call, _encode, _decode_lattice),
    "ResidualLFQ": Known("LFQ", "sum", _per_layer, _call, _encode, _decode_residual_lattice),
    "GroupedResidualLFQ": Known(
        "ResidualLFQ", "sum", _per_group, _call_grouped, _encode_grouped, _decode_grouped(_decode_residual_lattice)
    ),
    "LatentQuantize": Known(None, "sum", _per_codebook, _call_latent, _encode_latent, _decode_latent),
}

FEWER_LEVELS = {name for name in KNOWN if "Residual" in name}  # decode what the first levels say


def prepare(name: str, module: nn.Module) -> None:
    """What must be set right on a module just built."""
    if name == "LatentQuantize":
        _freeze_values(module)
