"""The contract: the abstract classes that every encoder, quantizer, decoder, loss term and discriminator fulfils.

A part is found by the name of its class; there is no registry. Concrete classes are final and take keyword
arguments only, which are recorded, so that a part can be described as plain data and built again from it.

The laws (docs/design.md, section 1) that every part keeps:

1. In eval mode ``quantizer.decode(quantizer.encode(z))`` is ``quantizer(z).z_q`` to the bit.
2. What comes out for an item depends neither on its batch mates nor on its padding.
3. ``receptive_field`` says how far an output looks; None says: at the whole signal.
4. The straight-through gradient from z_q to the quantizer's inner latent is exactly one.
5. Every trainable parameter receives a gradient.
6. Described, saved, built and loaded again, a part gives the same codes to the bit.
7. Several processes compute what one computes on the concatenated batch: statistics, draws, and means of losses
   (signaltok.processes); the process group is asked at call time.
"""

import inspect
import types
import typing
from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from signaltok.types.batch import Batch
from signaltok.types.memory import Memory
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import WHOLE, Lead, Share
from signaltok.types.transcript import Transcript

PLAIN = {bool: (bool,), int: (int,), float: (int, float), str: (str,), types.NoneType: (types.NoneType,)}


def _check_kind(name: str, kind: Any, value: Any) -> None:
    """Raise ValueError where a number, word, switch, part, or list or table of such is asked for and not given."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if not any(_fits(one, value) for one in kinds):
        wanted = " or ".join(map(_named, kinds))
        raise ValueError(f"{name} is {value!r}, of type {type(value).__name__}; it must be of type {wanted}")


def _fits(kind: Any, value: Any) -> bool:
    """Whether a value is of a kind; where the kind is none of those told apart here, it is."""
    if kind in PLAIN or isinstance(kind, _RecordsArguments):
        # True is an int to Python, but no number to anybody who reads a config.
        return isinstance(value, PLAIN.get(kind, kind)) and (kind is bool or (value is not True and value is not False))
    several, members = typing.get_origin(kind), typing.get_args(kind)
    if several in (list, Sequence):
        return isinstance(value, (list, tuple)) and all(_fits(members[0], one) for one in value)
    if several in (dict, Mapping):
        return isinstance(value, Mapping) and all(_fits(members[1], one) for one in value.values())
    return True


def _named(kind: Any) -> str:
    several, members = typing.get_origin(kind), typing.get_args(kind)
    if several in (list, Sequence):
        return f"list of {_named(members[0])}"
    if several in (dict, Mapping):
        return f"table of {_named(members[1])}"
    return "null" if kind is types.NoneType else getattr(kind, "__name__", str(kind))


class _RecordsArguments(ABCMeta):
    """Keeps the keyword arguments an object was built with, under ``arguments``; plain ones are of their types."""

    @property
    def __signature__(cls) -> inspect.Signature:
        """The constructor's own; without this, inspect would report __call__ below."""
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return inspect.Signature(parameters)

    def __call__(cls, *positional: Any, **named: Any) -> Any:
        if positional:
            raise ValueError(f"{cls.__name__} takes keyword arguments only, got {positional!r}")
        try:
            inspect.signature(cls).bind(**named)
        except TypeError as error:
            raise ValueError(f"{cls.__module__}.{cls.__qualname__}: {error}") from None
        kinds = inspect.signature(cls).parameters
        for name, value in named.items():
            if name in kinds:
                _check_kind(f"{cls.__name__}.{name}", kinds[name].annotation, value)
        part = super().__call__(**named)
        object.__setattr__(part, "arguments", dict(named))
        return part


class Part(metaclass=_RecordsArguments):
    """Anything that a config may name by its class and that an exported folder may hold."""

    arguments: dict[str, Any]


def any_tensor(module: nn.Module) -> Tensor:
    """A parameter, or a buffer where nothing is learned: it tells the device and the kind of numbers of the module."""
    return next(chain(module.parameters(), module.buffers()))


class Encoder(Part, nn.Module, ABC):
    """signal -> latent.

    axes: number of signal axes. channels: of the signal. latent_dim: channels of the latent. stride: signal
    positions a latent position, per axis. receptive_field: signal positions that a latent position looks at on
    either side beyond its own cell, per axis; None where it looks at everything. tokens: None where the latent is a
    grid that follows from the size of the signal; else the latent is a sequence [b, d, tokens], whatever the size, and
    stride is that of the patches the signal is read in. causal: along the first axis, nothing that comes later has an
    effect, and carry_on is there; least: cells that the first of several pieces must then have. lead: of a causal one,
    positions that the first cell lacks on each axis (types.token_stack.grid_size), where it lacks any. led: learns
    nothing itself and has no trainable parameter; its weights are those of another encoder, which it is told to follow.
    """

    axes: int
    channels: int
    latent_dim: int
    stride: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    tokens: int | None = None
    causal: bool = False
    least: int = 1
    lead: Lead | None = None
    led: bool = False

    @abstractmethod
    def forward(
        self, signal: Float[Tensor, "b c *s"], lengths: Int64[Tensor, "b axes"] | None
    ) -> Float[Tensor, "b d *l"]:
        """Encode; the latent has ceil((s + lead) / stride) positions on each axis, or is the sequence of all tokens.

        lengths: valid extents, None for full.
        """

    def carry_on(self, piece: Float[Tensor, "1 c *n"], memory: Memory) -> Float[Tensor, "1 d *l"]:
        """Of a causal encoder: the latents of the next piece of a signal, whole cells but for the last one."""
        raise NotImplementedError(f"{type(self).__name__} is not causal")

    def kept(self, signal: Float[Tensor, "b c *s"]) -> Int64[Tensor, " b"] | None:  # noqa: ARG002
        """Told once a training step: how many tokens of its sequence, the first ones, each item uses; None for all.

        What is beyond is masked as padding is: no loss, no statistic, nothing that the decoder sees.
        """
        return None

    def follow(self, other: "Encoder") -> None:
        """Of a led encoder: take the weights of another. Raises ValueError where they do not fit."""
        raise NotImplementedError(f"{type(self).__name__} learns its own weights")


class Decoder(Part, nn.Module, ABC):
    """latent -> signal.

    As Encoder; receptive_field counts latent positions on either side, per axis. With tokens, forward takes two
    arguments more, as the size of the signal does not follow from a sequence: grid, the number of patches on each axis,
    and grid_lengths, its valid extents; it decodes to grid * stride, also fewer tokens than there are. causal,
    least: as of an encoder; with a lead, what is decoded begins with as many positions that precede the signal.
    reconstructs: False where what it gives is a placeholder, of a tokenizer that only encodes. writes: whether vectors
    stand for text, which `text` gives.
    """

    axes: int
    channels: int
    latent_dim: int
    stride: tuple[int, ...]
    receptive_field: tuple[int, ...] | None
    tokens: int | None = None
    causal: bool = False
    least: int = 1
    lead: Lead | None = None
    reconstructs: bool = True
    writes: bool = False

    @abstractmethod
    def forward(self, z_q: Float[Tensor, "b d *l"], lengths: Int64[Tensor, "b axes"] | None) -> Float[Tensor, "b c *s"]:
        """Decode to l * stride positions on each axis. lengths: valid latent extents, None for full."""

    def carry_on(self, piece: Float[Tensor, "1 d *l"], memory: Memory) -> Float[Tensor, "1 c *n"]:
        """Of a causal decoder: the signal of the next piece of a latent."""
        raise NotImplementedError(f"{type(self).__name__} is not causal")

    def learn(
        self, z_q: Float[Tensor, "b d *l"], lengths: Int64[Tensor, "b axes"] | None
    ) -> tuple[Float[Tensor, "b c *s"], Float[Tensor, "b k *s"] | None]:
        """The training forward: the signal and, of a decoder that gives a distribution, its parameters; else None."""
        return self(z_q, lengths), None

    def text(self, z_q: Float[Tensor, "1 d l"]) -> str:
        """Of a decoder that writes: what the vectors of one item stand for."""
        raise NotImplementedError(f"{type(self).__name__} gives no text")

    def pieces(self, tokens: Int64[Tensor, " n"]) -> list[str]:
        """Of a decoder that writes: what each token of a collapsed level stands for."""
        raise NotImplementedError(f"{type(self).__name__} gives no text")

    @property
    def last_layer(self) -> nn.Module:
        """The layer with a weight that gives the signal, where losses are balanced by their gradients.

        The one registered last; a decoder that registers another after it overrides this.
        """
        return [layer for layer in self.modules() if isinstance(getattr(layer, "weight", None), nn.Parameter)][-1]


@dataclass(frozen=True)
class CodeVectors:
    """The vectors of one level: as the search sees them [K, inner] and as the decoder sees them [K, latent_dim]."""

    searched: Float[Tensor, "K inner"]
    decoded: Float[Tensor, "K d"]


class Quantizer(Part, nn.Module, ABC):
    """latent -> codes and z_q.

    latent_dim: channels of the latent. codebook_sizes: codes a level, outermost level first; empty for the one
    quantizer without codes. level_strides and level_shares: of each level's grid against the latent grid. blank: a code
    that says nothing, of a quantizer with one level whose tokens are runs of equal codes; over one axis a tokenizer
    then collapses the path (types.runs). None where a token is a cell.
    """

    latent_dim: int
    progress: float = 0.0
    blank: int | None = None

    @property
    @abstractmethod
    def codebook_sizes(self) -> tuple[int, ...]:
        """Number of codes of each level."""

    @property
    def level_strides(self) -> tuple[int, ...]:
        """Stride of each level's grid against the latent grid, the same on every axis."""
        return (1,) * len(self.codebook_sizes)

    @property
    def level_shares(self) -> tuple[Share, ...]:
        """Of each level: how many positions its grid has of so many cells, beside its stride (types.token_stack)."""
        return (WHOLE,) * len(self.codebook_sizes)

    @property
    def factorised(self) -> bool:
        """Whether the inner latent is reached by trained maps of the quantizer's own, which learn through z_q."""
        return any(vectors.searched.shape[1] != self.latent_dim for vectors in self.code_vectors())

    @property
    def given(self) -> frozenset[str]:
        """What the training forward must be given beside the latent, such as "view", nested quantizers' included."""
        nested = [child for child in self.modules() if child is not self and isinstance(child, Quantizer)]
        return frozenset(name for child in nested for name in child.given)

    @abstractmethod
    def encode(self, z: Float[Tensor, "b d *l"]) -> tuple[Int64[Tensor, "b ..."], ...]:
        """The codes of each level, from the trained state and nothing else: deterministic, no update."""

    @abstractmethod
    def decode(self, codes: tuple[Int64[Tensor, "b ..."], ...]) -> Float[Tensor, "b d *l"]:
        """The vectors that the codes stand for. Fewer levels than there are decode where the method allows it."""

    def decode_levels(
        self,
        codes: tuple[Int64[Tensor, "b ..."], ...],
        grid: tuple[int, ...],  # noqa: ARG002
    ) -> Float[Tensor, "b d *l"]:
        """decode, told the latent grid, which the first few of several grids do not tell."""
        return self.decode(codes)

    @abstractmethod
    def learn(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Quantized:
        """The training forward: gradients, losses, and statistics over the valid positions alone."""

    def forward(self, z: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None = None) -> Quantized:
        """learn in training mode; in eval mode exactly decode(encode(z))."""
        with torch.autocast(z.device.type, enabled=False):
            z = z.float() if z.dtype in (torch.bfloat16, torch.float16) else z
            if self.training:
                return self.learn(z, mask)
            codes = self.encode(z)
            return Quantized(z_q=self.decode(codes), codes=codes)

    def loss_names(self) -> frozenset[str]:
        """Names that learn puts into Quantized.losses: an objective may weigh these and no others."""
        return frozenset()

    def code_vectors(self) -> tuple[CodeVectors, ...]:
        """The vectors of every level; empty for quantizers whose codes have no table of their own."""
        return ()

    def advance(self, progress: float) -> None:
        """Told before each training step which share of the run is done, 0 to 1; passed on to nested quantizers."""
        self.progress = progress
        for child in self.modules():
            if child is not self and isinstance(child, Quantizer):
                child.progress = progress


class Term(Part, nn.Module, ABC):
    """One raw, unweighted loss. What it needs and does not find is an error before the first step.

    needs: which of the optional fields of a Batch (text, pair, labels). progress: which share of the run is done, 0 to
    1; the objective is told before each training step. Networks that only the term needs are its own modules: trained
    and averaged with the rest, in checkpoints, and not in an exported tokenizer.
    """

    needs: frozenset[str] = frozenset()
    progress: float = 0.0

    def meet(self, terms: "Mapping[str, Term]") -> None:
        """Told once, when the objective is put together: all its terms by name, for one that learns from another."""

    def lead(self, encoder: Encoder) -> bool:  # noqa: ARG002
        """Told before the first step the tokenizer's encoder where that is led; whether this term gives it weights."""
        return False

    @abstractmethod
    def check(self, quantizer: Quantizer) -> None:
        """Raise ValueError where this term cannot be computed with this quantizer."""

    def check_transcripts(self, transcripts: Sequence[Transcript], stride: int) -> None:
        """Told before the first step what is said in the items of all splits, and the encoder's stride."""

    @abstractmethod
    def forward(self, batch: Batch, reconstruction: Reconstruction) -> Float[Tensor, ""]:
        """The raw value, a mean over valid positions; of several processes, each one's part_of_group_mean."""


class Alignment(nn.Module, ABC):
    """What a term that compares items with what belongs to them (their text, their pair) offers to a metric.

    Embeddings are vectors of length one, so that their product is the similarity.
    """

    @abstractmethod
    def of_items(self, latent: Float[Tensor, "b d *l"], mask: Bool[Tensor, "b 1 *l"] | None) -> Float[Tensor, "b e"]:
        """The embeddings of items from their latents, quantized or not."""

    @abstractmethod
    def of_pairs(self, batch: Batch) -> Float[Tensor, "b e"]:
        """The embeddings of what belongs to the items of a batch."""

    @abstractmethod
    def as_latent(self, pairs: Float[Tensor, "b e"]) -> Float[Tensor, "b e 1"]:
        """What of_pairs gave as latents of one token. Raises ValueError where items have another space of their own."""


@dataclass(frozen=True)
class Verdict:
    """What one discriminator says of a batch.

    logits: one for each piece that it judges; above 0 says original, below 0 reconstruction. features: what its layers
    before gave, shallow first.
    """

    logits: Float[Tensor, "b 1 *l"]
    features: tuple[Float[Tensor, "b ..."], ...]


class Discriminator(Part, nn.Module, ABC):
    """signal -> verdicts, one of each member; most have one.

    axes: number of signal axes. channels: of the signal. least: the smallest extent of a signal that it judges. What
    is said of an item depends neither on its batch mates nor on any state but the parameters; the adversary shows the
    items of a padded batch one by one.
    """

    axes: int
    channels: int
    least: int

    @property
    def extents(self) -> tuple[int, ...]:
        """The smallest extent that it judges on each axis; least on all of them, where nothing else is said."""
        return (self.least,) * self.axes

    @abstractmethod
    def forward(self, signal: Float[Tensor, "b c *s"]) -> tuple[Verdict, ...]:
        """The verdicts. Raises ValueError for signals shorter than least."""
