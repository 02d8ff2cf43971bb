"""The quantizers of vector-quantize-pytorch behind this package's contract."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.parts import CodeVectors, Quantizer
from signaltok.processes import part_of_group_mean
from signaltok.quantizers.distributed import Draws, rows_of_group
from signaltok.quantizers.library_classes import FEWER_LEVELS, KNOWN, Called, prepare
from signaltok.quantizers.library_processes import codebooks, draws_numbers, training_forward
from signaltok.types.quantized import Quantized

# What the adapter settles itself: layout, and whether processes share statistics.
SETTLED = {
    "dim": "it is latent_dim",
    "channel_first": "latents are channels first here",
    "channel_last": "latents are channels first here",
    "is_channel_first": "latents are channels first here",
    "accept_image_fmap": "any number of axes is accepted",
    "accept_3d_fmap": "any number of axes is accepted",
    "keep_num_codebooks_dim": "there is one code tensor a level",
    "return_indices": "there are always codes",
    "return_zeros_for_masked_padding": "padding never reaches the library",
    "sync_codebook": "processes share codebooks whenever there are several",
    "sync_kmeans": "processes share codebooks whenever there are several",
    "manual_ema_update": "the codebook is updated in every step",
    "manual_in_place_optimizer_update": "the codebook is updated in every step",
}
# What breaks a law.
REFUSED = {
    "affine_param": "it changes its statistics while encoding, and its codes cannot be looked up",
    "sync_affine_param": "affine_param is refused",
    "affine_param_batch_decay": "affine_param is refused",
    "affine_param_codebook_decay": "affine_param is refused",
}


class LibraryQuantizer(Quantizer):
    """A public quantizer class of vector-quantize-pytorch, by its name, with the library's own options.

    Supported are VectorQuantize, ResidualVQ, GroupedResidualVQ, SimVQ, ResidualSimVQ, FSQ, ResidualFSQ,
    GroupedResidualFSQ, FSP, LFQ, ResidualLFQ, GroupedResidualLFQ and LatentQuantize. Not supported are

    * HierarchicalVQ: its levels have fixed grids, whatever the size of the latent;
    * RandomProjectionQuantizer: its codes are targets, nothing decodes them;
    * BinaryMapper: it gives one-hot vectors of 2^bits channels instead of a latent, and samples in eval mode;
    * EvoLFQ: a whole autoencoder around LFQ, searched by evolution;
    * Sequential: a container.

    Losses: "commitment" where the class has a plain commitment loss and nothing else, unweighted; "library" where
    it returns a sum of several, weighted by its own options; both averaged over levels and groups. Levels of
    grouped classes are ordered level by level, groups within a level.

    The estimator is the library's: where rotation_trick is off, the straight-through one, but the residual classes
    pass the gradient on once a level, so that it is multiplied by the number of levels; ResidualVQ's
    quant_grad_frac=1 makes it exactly one. LatentQuantize's values stay as they are built: none of its losses
    reaches them. Padding never reaches the library.

    Several processes learn what one learns from the concatenated batch: statistics, k-means starts, dead codes that
    start again and quantizer dropout are the group's, asked at every training step. Not so for what the library takes
    from a process's own rows alone: the entropy losses of the LFQ classes, codebook_diversity_loss_weight,
    orthogonal_reg_active_codes_only, and noise drawn for every position or code (stochastic_sample_codes,
    directional_reparam, orthogonal_reg_max_codes, FSQ's noise_dropout, FSP).
    """

    def __init__(self, *, latent_dim: int, name: str, options: dict[str, Any]) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.name = name
        if name not in KNOWN:
            raise ValueError(f"no quantizer {name!r} of vector_quantize_pytorch is supported; take one of {[*KNOWN]}")
        self.known = KNOWN[name]
        _check_options(name, options)
        self.loss_name = _loss_name(name, options)
        self.module = _build(name, latent_dim, options)
        self._sizes = self.known.sizes(self.module)
        self.draws = Draws() if draws_numbers(self.module) else None

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Of every level (heads, groups and codebooks are levels too)."""
        return self._sizes

    def loss_names(self) -> frozenset[str]:
        """See the class."""
        return frozenset() if self.loss_name is None else frozenset({self.loss_name})

    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b *l"], ...]:
        """The library's codes in its eval mode."""
        with _at_rest(self.module), torch.no_grad():
            codes = self.known.encode(self.module, z.flatten(2).transpose(1, 2)).long()
        return tuple(level.unflatten(1, z.shape[2:]).contiguous() for level in codes.unbind(-1))

    def decode(self, codes: tuple[Int64[Tensor, "b *l"], ...]) -> Float[Tensor, "b d *l"]:
        """The library's vectors; residual classes decode a prefix of their levels too."""
        if not codes or len(codes) > len(self._sizes) or (len(codes) < len(self._sizes) and not self._decodes_prefix):
            raise ValueError(f"{self.name} decodes {len(self._sizes)} levels, got {len(codes)}")
        flat = torch.stack([level.flatten(1) for level in codes], -1)
        with _at_rest(self.module):
            z_q = self.known.decode(self.module, flat)
        return z_q.transpose(1, 2).unflatten(2, codes[0].shape[1:]).contiguous()

    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """The library's training pass over the valid positions; padding gets zeros and code 0."""
        last = z.movedim(1, -1)
        valid = None if mask is None else mask[:, 0]
        rows = (last.flatten(0, -2) if valid is None else last[valid])[None]
        z_q, codes, loss = self._call(rows)
        active = None
        if getattr(self.module, "quantize_dropout", self._members_drop):
            active = (codes[0] >= 0).all(0).expand(len(z), -1)
        codes = codes[0].long().clamp_min(0)
        if valid is None:
            z_q, codes = z_q[0].view_as(last), codes.view(*last.shape[:-1], -1)
        else:
            z_q = torch.zeros_like(last).masked_scatter(valid[..., None], z_q[0].to(last.dtype))
            codes = codes.new_zeros(*valid.shape, codes.shape[-1]).masked_scatter(valid[..., None], codes)
        losses = {} if self.loss_name is None or loss is None else {self.loss_name: loss}
        return Quantized(z_q=z_q.movedim(-1, 1), codes=codes.unbind(-1), losses=losses, active=active)

    def _call(self, rows: Float[Tensor, "1 n d"]) -> Called:
        """The library's training pass; its loss as this process's part of the mean over all processes' rows."""
        own = rows.shape[1]
        if rows_of_group(rows[0])[0] == 0:
            return rows, rows.new_zeros(1, 0, len(self._sizes), dtype=torch.int64), rows.sum()
        generator = None if self.draws is None else self.draws.next()
        with training_forward(self.module, generator, rows.dtype):
            z_q, codes, loss = self.known.call(self.module, rows)
        if loss is not None:
            loss = part_of_group_mean(loss if own else rows.sum(), own)
        return z_q, codes, loss

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """Of classes with a table of vectors on a single level or on levels without projections."""
        module: Any = self.module
        if self.name in ("VectorQuantize", "SimVQ") and len(self._sizes) == 1:
            every = torch.arange(self._sizes[0], device=module.codebook.device)[None]
            return (CodeVectors(searched=module.codebook.detach(), decoded=self.decode((every,))[0].T.detach()),)
        tables = self.name == "ResidualSimVQ" or (
            self.name == "ResidualVQ" and not module.has_projections and not module.implicit_neural_codebook
        )
        return tuple(CodeVectors(searched=b.detach(), decoded=b.detach()) for b in module.codebooks) if tables else ()

    @property
    def _decodes_prefix(self) -> bool:
        return self.name in FEWER_LEVELS

    @property
    def _members_drop(self) -> bool:
        members = getattr(self.module, "rvqs", ())
        return any(member.quantize_dropout for member in members)


def _library() -> Any:
    """The package, imported when a part of it is built: it takes seconds."""
    import vector_quantize_pytorch

    return vector_quantize_pytorch


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    """All options of a class, its inner classes' included where it hands them on."""
    signature = inspect.signature(getattr(_library(), name)).parameters
    inner = KNOWN[name].inner
    found = {} if inner is None else _parameters(inner)
    return found | {key: p for key, p in signature.items() if p.kind is not inspect.Parameter.VAR_KEYWORD}


def _check_options(name: str, options: dict[str, Any]) -> None:
    allowed = _parameters(name)
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        choices = sorted(set(allowed) - set(SETTLED) - set(REFUSED))
        raise ValueError(f"{name} has no option {', '.join(unknown)}; it has {', '.join(choices)}")
    for key, value in options.items():
        if key in SETTLED:
            raise ValueError(f"leave {name}'s option {key} out: {SETTLED[key]}")
        if key in REFUSED and value not in (False, None):
            raise ValueError(f"{name}'s option {key}={value!r} is not supported: {REFUSED[key]}")
        if not isinstance(value, bool | int | float | str | list | tuple | dict | None):
            raise ValueError(f"{name}'s option {key} must be plain data, got {value!r}")


def _loss_name(name: str, options: dict[str, Any]) -> str | None:
    losses = KNOWN[name].losses
    if losses != "commitment":
        return "library" if losses == "sum" else None
    if options.get("orthogonal_reg_weight", 0) > 0 or options.get("codebook_diversity_loss_weight", 0) > 0:
        return "library"
    weight = options.get("commitment_weight", 1.0)
    if weight == 0 or options.get("directional_reparam", False) or options.get("diveq", False):
        return None
    if weight != 1:
        raise ValueError(
            f"{name}'s option commitment_weight must be 1 (or 0, for none), got {weight}: losses are unweighted here, "
            f"write objective.weights.commitment={weight}"
        )
    return "commitment"


def _build(name: str, latent_dim: int, options: dict[str, Any]) -> nn.Module:
    allowed = _parameters(name)
    settled = {"dim": latent_dim} | ({"sync_codebook": False} if "sync_codebook" in allowed else {})
    plain = {k: tuple(v) if k == "codebook_size" and isinstance(v, list) else v for k, v in options.items()}
    try:
        module = getattr(_library(), name)(**settled, **plain)
    except (TypeError, AssertionError) as error:
        raise ValueError(f"{name} refuses latent_dim={latent_dim} with the options {options}: {error}") from error
    prepare(name, module)
    return module


@contextmanager
def _at_rest(module: nn.Module) -> Iterator[None]:
    """Eval mode, and no k-means on what happens to be encoded first."""
    training = module.training
    waiting = [book for book in codebooks(module) if not book.initted]
    module.eval()
    for book in waiting:
        book.initted.fill_(True)  # type: ignore[operator]
    try:
        yield
    finally:
        for book in waiting:
            book.initted.fill_(False)  # type: ignore[operator]
        module.train(training)
