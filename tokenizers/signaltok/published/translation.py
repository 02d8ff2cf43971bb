"""Tensors of a public model under our names: each asked for by its own name, none missing, none left over."""

import torch
from torch import Tensor

from signaltok.layers.weight_norm import normalised
from signaltok.published.source import Source

# A convolution's direction and length: as torch.nn.utils.weight_norm and as its parametrization name them.
NORMALISED = (("weight_v", "weight_g"), ("parametrizations.weight.original1", "parametrizations.weight.original0"))
NAMED = 3  # tensors that an error names


class Translation:
    """Collects the tensors of our tokenizer; wanted: what it holds, by name."""

    def __init__(self, source: Source, wanted: dict[str, Tensor]) -> None:
        self.source, self.wanted = source, wanted
        self.found: dict[str, Tensor] = {}
        self._read: set[str] = set()

    def take(self, name: str) -> Tensor:
        """A tensor of theirs. Raises ValueError where it is missing."""
        if name not in self.source.tensors:
            raise ValueError(f"{self.source.path} has no tensor {name}, which a model of this family and size has")
        self._read.add(name)
        return self.source.tensors[name]

    def kernel(self, name: str) -> Tensor:
        """The weight of their layer `name` as it is used: with weight norm folded where it has that."""
        for direction, size in NORMALISED:
            if f"{name}.{direction}" in self.source.tensors:
                return normalised(self.take(f"{name}.{direction}"), self.take(f"{name}.{size}"))
        return self.take(f"{name}.weight")

    def put(self, ours: str, value: Tensor, theirs: str) -> None:
        """Set a tensor of ours. Raises ValueError naming theirs where its shape is another."""
        assert ours in self.wanted and ours not in self.found, f"{ours} is not there to be set"
        if value.shape != self.wanted[ours].shape:
            raise ValueError(
                f"{theirs} of {self.source.path} has shape {tuple(value.shape)}, its configuration asks for "
                f"{tuple(self.wanted[ours].shape)}"
            )
        self.found[ours] = value.to(self.wanted[ours].dtype)

    def convolution(self, ours: str, theirs: str) -> None:
        """Weight and, where ours has one, bias."""
        self.put(f"{ours}.weight", self.kernel(theirs), theirs)
        if f"{ours}.bias" in self.wanted:
            self.put(f"{ours}.bias", self.take(f"{theirs}.bias"), theirs)

    def pointwise(self, ours: str, theirs: str) -> None:
        """A convolution of theirs with a kernel of one as a linear map of ours."""
        kernel = self.kernel(theirs)
        self.put(f"{ours}.weight", kernel.flatten(1) if kernel.shape[-1] == 1 else kernel, theirs)
        if f"{ours}.bias" in self.wanted:
            self.put(f"{ours}.bias", self.take(f"{theirs}.bias"), theirs)

    def slope(self, ours: str, theirs: str) -> None:
        """The alpha of a Snake, [1, C, 1] there and [C] here."""
        self.put(f"{ours}.alpha", self.take(f"{theirs}.alpha").flatten(), theirs)

    def same(self, ours: str, theirs: str) -> None:
        """All tensors under `ours`, named alike under `theirs`."""
        for name in [name for name in self.wanted if name.startswith(f"{ours}.")]:
            own = name.removeprefix(f"{ours}.")
            self.put(name, self.take(f"{theirs}.{own}"), f"{theirs}.{own}")

    def forget(self, ending: str) -> None:
        """Leave out tensors of theirs that end so: what follows from the configuration, or only training reads."""
        self._read |= {name for name in self.source.tensors if name.endswith(ending)}

    def finish(self, kept: tuple[str, ...]) -> dict[str, Tensor]:
        """All tensors of our tokenizer; kept: how those of ours end that no public model has.

        Raises ValueError naming tensors of theirs that nothing has asked for.
        """
        surplus = sorted(self.source.tensors.keys() - self._read)
        if surplus:
            more = f" and {len(surplus) - NAMED} more" if len(surplus) > NAMED else ""
            raise ValueError(
                f"{self.source.path} has tensors that a model of this family and size has not: "
                f"{', '.join(surplus[:NAMED])}{more}"
            )
        left = [name for name in self.wanted if name not in self.found and not name.endswith(kept)]
        assert not left, f"nothing was said of {left[:NAMED]}"
        bad = next((name for name, value in self.found.items() if not bool(torch.isfinite(value).all())), None)
        if bad is not None:
            raise ValueError(f"{self.source.path} holds numbers that are not finite (our {bad})")
        return {**self.wanted, **self.found}
