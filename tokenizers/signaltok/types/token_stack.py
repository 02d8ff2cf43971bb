"""TokenStack: the codes of a batch, and the one rule that turns signal sizes into grid sizes."""

from dataclasses import dataclass, replace

from jaxtyping import Bool, Float64, Int64
from torch import Tensor, arange, stack

Share = tuple[int, int]
Lead = tuple[int, ...]
WHOLE: Share = (1, 1)


def grid_size(
    signal_size: tuple[int, ...], stride: tuple[int, ...], share: Share = WHOLE, lead: Lead | None = None
) -> tuple[int, ...]:
    """cells = ceil((size + lead) / stride) on each axis, then ceil(cells * share[0] / share[1]).

    The size of the grid that a signal of this size becomes. share is there for grids that no whole stride gives, such
    as 13 positions for every 16 cells. lead: positions that the first cell lacks on each axis, as if the signal's first
    one came so many times more: with stride - 1 of them it has a cell of its own, and 1 + n * stride fill 1 + n cells.
    """
    assert len(signal_size) == len(stride), f"{signal_size} has other axes than stride {stride}"
    kept, of = share
    led = zip(signal_size, lead or (0,) * len(stride), stride, strict=True)
    return tuple(-(-(-(-(size + before) // step) * kept) // of) for size, before, step in led)


def grid_lengths(
    lengths: Int64[Tensor, "b axes"], stride: tuple[int, ...], share: Share = WHOLE, lead: Lead | None = None
) -> Int64[Tensor, "b axes"]:
    """The rule of grid_size for the valid extent of every item."""
    step, (kept, of) = lengths.new_tensor(stride), share
    led = lengths if lead is None else lengths + lengths.new_tensor(lead)
    return ((led + step - 1) // step * kept + of - 1) // of


def valid_mask(lengths: Int64[Tensor, "b axes"], size: tuple[int, ...]) -> Bool[Tensor, "b 1 *l"]:
    """True where a position of the grid lies inside its item's valid extent."""
    mask = None
    for axis, extent in enumerate(size):
        shape = [1] * (2 + len(size))
        shape[2 + axis] = extent
        inside = arange(extent, device=lengths.device).view(shape) < lengths[:, axis].view(-1, *[1] * (1 + len(size)))
        mask = inside if mask is None else mask & inside
    assert mask is not None, "a grid has at least one axis"
    return mask


def mask_lengths(mask: Bool[Tensor, "b 1 *l"]) -> Int64[Tensor, "b axes"]:
    """The valid extents that valid_mask was given."""
    axes = range(2, mask.ndim)
    along = [mask[:, 0] if mask.ndim == 3 else mask.amax(dim=[1, *(n for n in axes if n != a)]) for a in axes]
    return stack([valid.sum(1) for valid in along], dim=1)


@dataclass(frozen=True)
class TokenStack:
    """The codes of a batch, one tensor a level.

    levels: int64 [b, *grid] each, 0 <= code < codebook_sizes[q]; grids may differ.
    strides: of each level against the signal, per axis. lengths: valid grid extent per item, level and axis,
    None where all items are full. signal_size: of the (padded) signal, so that decoding gives back its exact size;
    signal_lengths: each item's own, None where all are full. shares: of each level, see grid_size; None: all whole.
    tokens: None where the grids follow from signal_size; else the levels are sequences over so many tokens of the whole
    signal, and their strides count tokens. spans: of a level of variable length, [b, n, 2]: the signal positions
    [first, end) of each of its tokens; None for a level that is a grid. lead: see grid_size; None where the first cells
    are like the others, and of a piece that is not the first of its signal.
    """

    levels: tuple[Int64[Tensor, "b ..."], ...]
    codebook_sizes: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    signal_size: tuple[int, ...]
    lengths: tuple[Int64[Tensor, "b _"] | None, ...]
    signal_lengths: Int64[Tensor, "b axes"] | None = None
    shares: tuple[Share, ...] | None = None
    tokens: int | None = None
    spans: tuple[Int64[Tensor, "b _ 2"] | None, ...] | None = None
    lead: Lead | None = None

    def __post_init__(self) -> None:
        if self.shares is None:
            object.__setattr__(self, "shares", (WHOLE,) * len(self.levels))
        if self.spans is None:
            object.__setattr__(self, "spans", (None,) * len(self.levels))
        assert self.shares is not None and self.spans is not None
        counts = {*map(len, (self.levels, self.codebook_sizes, self.strides, self.lengths, self.shares, self.spans))}
        if len(counts) != 1:
            raise ValueError(
                f"a TokenStack says each thing once a level, but has {len(self.levels)} levels, "
                f"{len(self.codebook_sizes)} codebook sizes, {len(self.strides)} strides, {len(self.lengths)} lengths, "
                f"{len(self.shares)} shares, {len(self.spans)} spans"
            )
        extent = self.signal_size if self.tokens is None else (self.tokens,)
        for number, (level, stride, share) in enumerate(zip(self.levels, self.strides, self.shares, strict=True)):
            if self.spans[number] is not None:
                self._check_spans(number)
                continue
            expected = grid_size(extent, stride, share, self.lead)
            if tuple(level.shape[1:]) != expected:
                whole = f"a signal of size {extent}" if self.tokens is None else f"a sequence of {self.tokens} tokens"
                raise ValueError(
                    f"level {number} has grid {tuple(level.shape[1:])}, but {whole} at stride {stride} has {expected}"
                    + ("" if share == WHOLE else f" (share {share[0]}/{share[1]})")
                    + ("" if self.lead is None else f" (lead {self.lead})")
                )

    def _check_spans(self, number: int) -> None:
        level, spans, lengths = self.levels[number], self.spans[number], self.lengths[number]  # type: ignore[index]
        if level.ndim != 2 or lengths is None or tuple(spans.shape) != (*level.shape, 2):  # type: ignore[union-attr]
            raise ValueError(
                f"level {number} is of variable length: it needs codes [b, n], spans [b, n, 2] and lengths [b, 1], but "
                f"has {tuple(level.shape)}, {tuple(spans.shape)} and "  # type: ignore[union-attr]
                f"{None if lengths is None else tuple(lengths.shape)}"
            )

    def seconds(self, level: int, sample_rate: int) -> tuple[Float64[Tensor, "_ 2"], ...]:
        """When each token of a level of variable length begins and ends, an item an entry."""
        assert self.spans is not None
        spans, lengths = self.spans[level], self.lengths[level]
        if spans is None or lengths is None:
            raise ValueError(f"level {level} is a grid, whose tokens lie {self.strides[level]} positions apart")
        return tuple(own[: int(n)].double() / sample_rate for own, n in zip(spans, lengths[:, 0], strict=True))

    @property
    def batch_size(self) -> int:
        """Number of items."""
        return self.levels[0].shape[0]

    def check_range(self) -> None:
        """Raise ValueError where a code lies outside its codebook (reads every code)."""
        for number, (level, size) in enumerate(zip(self.levels, self.codebook_sizes, strict=True)):
            if level.numel() and (int(level.min()) < 0 or int(level.max()) >= size):
                raise ValueError(
                    f"level {number} holds codes from {int(level.min())} to {int(level.max())}, "
                    f"but its codebook has the codes 0 to {size - 1}"
                )

    def shortened(self, tokens: int) -> "TokenStack":
        """The first so many tokens of every item, which Tokenizer.decode takes in place of all.

        Decodes well where the tokenizer was trained to do with fewer (encoder.tail_drop). Raises ValueError where the
        codes are no sequence, or there are not so many.
        """
        if self.tokens is None:
            raise ValueError(
                "these codes are a grid that follows from the size of the signal and cannot be shortened; "
                "a tokenizer with encoder=query gives a sequence"
            )
        assert self.shares is not None
        if any(stride != (1,) for stride in self.strides) or any(share != WHOLE for share in self.shares):
            raise ValueError(f"levels of strides {self.strides} and shares {self.shares} share no prefix")
        if not 1 <= tokens <= self.tokens:
            raise ValueError(f"there are {self.tokens} tokens; give 1 to {self.tokens}, not {tokens}")
        return replace(
            self,
            levels=tuple(level[:, :tokens] for level in self.levels),
            lengths=tuple(None if n is None else n.clamp(max=tokens) for n in self.lengths),
            tokens=tokens,
        )

    def first_levels(self, count: int) -> "TokenStack":
        """The first so many levels alone, which Tokenizer.decode takes where the quantizer can do with fewer.

        Raises ValueError where there are not so many.
        """
        if not 1 <= count <= len(self.levels):
            raise ValueError(f"there are {len(self.levels)} levels; give 1 to {len(self.levels)}, not {count}")
        assert self.shares is not None
        return replace(
            self,
            levels=self.levels[:count],
            codebook_sizes=self.codebook_sizes[:count],
            strides=self.strides[:count],
            lengths=self.lengths[:count],
            shares=self.shares[:count],
            spans=None if self.spans is None else self.spans[:count],
        )

    def to(self, device: object) -> "TokenStack":
        """The same stack on another device."""
        return TokenStack(
            levels=tuple(level.to(device) for level in self.levels),  # type: ignore[arg-type]
            codebook_sizes=self.codebook_sizes,
            strides=self.strides,
            signal_size=self.signal_size,
            lengths=tuple(None if n is None else n.to(device) for n in self.lengths),  # type: ignore[arg-type]
            signal_lengths=None if self.signal_lengths is None else self.signal_lengths.to(device),  # type: ignore[arg-type]
            shares=self.shares,
            tokens=self.tokens,
            spans=tuple(None if own is None else own.to(device) for own in self.spans or ()),  # type: ignore[arg-type]
            lead=self.lead,
        )
