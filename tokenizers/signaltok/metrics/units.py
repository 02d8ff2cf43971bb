"""How well codes and phones go together: purities and mutual information (Hsu et al. 2021, HuBERT, section 4.4).

Of the joint counts N(p, c) of phones and codes at equal moments, with P(p, c) = N(p, c) / N,

    phone purity   = sum over c of max over p of P(p, c)     a code told by its commonest phone
    cluster purity = sum over p of max over c of P(p, c)     a phone told by its commonest code
    PNMI           = I(phone; code) / H(phone)               share of what is to be known of a phone that a code tells

More codes make the first and the last higher by themselves, up to 1 where each moment has a code of its own. What is
due to chance alone is what shuffled codes reach; `shuffled` gives that beside the figures.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class UnitQuality:
    """phone_purity, cluster_purity, pnmi: see above, 0 to 1."""

    phone_purity: float
    cluster_purity: float
    pnmi: float


def joint_counts(
    phones: Int64[Tensor, " n"], codes: Int64[Tensor, " m"], num_phones: int, num_codes: int
) -> Int64[Tensor, "p c"]:
    """How often each phone and each code come together. Raises ValueError for values out of range."""
    for name, values, size in (("phones", phones, num_phones), ("codes", codes, num_codes)):
        if len(values) and (int(values.min()) < 0 or int(values.max()) >= size):
            raise ValueError(f"{name} go from {int(values.min())} to {int(values.max())}; there are {size}")
    if len(phones) != len(codes):
        raise ValueError(f"{len(phones)} phones and {len(codes)} codes; give both at the same moments")
    return torch.bincount(phones * num_codes + codes, minlength=num_phones * num_codes).view(num_phones, num_codes)


def unit_quality(counts: Int64[Tensor, "p c"]) -> UnitQuality:
    """Of joint counts. Raises ValueError where there is but one phone, of which nothing is to be known."""
    total = int(counts.sum())
    share = counts.double() / max(1, total)
    of_phone, of_code = share.sum(1), share.sum(0)
    entropy = entropy_of(of_phone)
    if not entropy > 0:
        raise ValueError(f"{total} moments with {int((of_phone > 0).sum())} phones; give labels of two or more")
    information = entropy + entropy_of(of_code) - entropy_of(share.flatten())
    return UnitQuality(
        phone_purity=int(counts.max(0).values.sum()) / total,
        cluster_purity=int(counts.max(1).values.sum()) / total,
        pnmi=max(0.0, information / entropy),
    )


def shuffled(
    phones: Int64[Tensor, " n"], codes: Int64[Tensor, " n"], num_phones: int, num_codes: int, seed: int
) -> UnitQuality:
    """The same of codes in an order that is drawn: as many of each, at moments that say nothing."""
    order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))
    return unit_quality(joint_counts(phones, codes[order], num_phones, num_codes))


def entropy_of(shares: Float[Tensor, " n"]) -> float:
    """In nats."""
    return -float(torch.special.xlogy(shares, shares).sum())
