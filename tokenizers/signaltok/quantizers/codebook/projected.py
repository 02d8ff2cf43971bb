"""SimVQ: a frozen codebook behind one trained linear map.

Zhu et al.: "Addressing Representation Collapse in Vector Quantized Models with One Linear Layer" (2024), section 4.
The code vectors are e_k = W c_k + b with c_k never trained: a step moves all codes together, so none is left behind.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.processes import sum_over_group
from signaltok.quantizers.codebook.update import Table, Update, mean_square


class _ProjectedTable(Table):
    frozen: Tensor

    def __init__(self, size: int, dim: int, spherical: bool, decay: float) -> None:
        super().__init__()
        self.spherical, self.decay = spherical, decay
        self.linear = nn.Linear(dim, dim)
        self.register_buffer("frozen", torch.zeros(size, dim))
        self.register_buffer("counts", torch.ones(size))

    @property
    def vectors(self) -> Tensor:  # type: ignore[override]
        projected = self.linear(self.frozen)
        return F.normalize(projected, dim=1) if self.spherical else projected

    def start(self, vectors: Tensor) -> None:
        """Sets c, not W c: the map starts as it was drawn."""
        self.frozen.copy_(vectors)

    def observe(self, rows: Tensor, codes: Tensor) -> None:  # noqa: ARG002
        hits = sum_over_group(torch.bincount(codes, minlength=len(self.counts))).to(self.counts.dtype)
        self.counts.mul_(self.decay).add_(hits, alpha=1 - self.decay)

    def replace(self, indices: Tensor, vectors: Tensor) -> None:  # noqa: ARG002
        raise AssertionError("a frozen codebook has no revival; Update.revives says so")

    def losses(self, rows: Tensor, q: Tensor) -> dict[str, Tensor]:
        return {"codebook": mean_square(q, rows.detach())}


class Projected(Update):
    """The codebook loss |sg[z] - (W c + b)|^2, with W and b learning and c frozen; decay is that of the usage counts.

    Goes with initialization Gaussian (the paper's) and without revival.
    """

    losses = frozenset({"codebook"})
    revives = False

    def __init__(self, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.decay = decay

    def table(self, codebook_size: int, codebook_dim: int, spherical: bool) -> Table:
        """See Update."""
        return _ProjectedTable(codebook_size, codebook_dim, spherical, self.decay)
