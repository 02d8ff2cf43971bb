"""Distortion of a reconstruction, per item, over its valid extent, in float64.

Float64 because a float32 convolution may run in TF32 on a GPU, which moves SSIM in the third digit.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.layers.structural_similarity import WINDOW, structural_similarity
from signaltok.parts import Part

CAP_DECIBEL = 100.0  # what an item without any error counts in a mean of PSNR


class Metric(Part, ABC):
    """A number per item; a split's value is the mean over those items of which there is one."""

    @abstractmethod
    def measure(
        self,
        signal: Float[Tensor, "b c *s"],
        reconstruction: Float[Tensor, "b c *s"],
        value_range: tuple[float, float],
        lengths: Int64[Tensor, "b axes"] | None,
    ) -> Float[Tensor, " b"]:
        """A value an item, finite, or NaN where it cannot be said. lengths: valid extents, None where all are full."""

    def words(self) -> str:
        """Settings that the value means nothing without, in one line; empty where there are none."""
        return ""


class PeakSignalToNoiseRatio(Metric):
    """psnr in dB; an item without any error counts as 100 dB, so that the mean stays finite."""

    def measure(
        self,
        signal: Float[Tensor, "b c *s"],
        reconstruction: Float[Tensor, "b c *s"],
        value_range: tuple[float, float],
        lengths: Int64[Tensor, "b axes"] | None,
    ) -> Float[Tensor, " b"]:
        """The PSNR of every item, at most 100 dB."""
        return psnr(signal, reconstruction, value_range, lengths).clamp(max=CAP_DECIBEL)


class StructuralSimilarity(Metric):
    """ssim of images, at most 1; of videos the mean over their frames."""

    def measure(
        self,
        signal: Float[Tensor, "b c *t h w"],
        reconstruction: Float[Tensor, "b c *t h w"],
        value_range: tuple[float, float],
        lengths: Int64[Tensor, "b axes"] | None,
    ) -> Float[Tensor, " b"]:
        """The SSIM of every item."""
        return ssim(signal, reconstruction, value_range, lengths)


def psnr(
    x: Float[Tensor, "b c *s"],
    y: Float[Tensor, "b c *s"],
    value_range: tuple[float, float],
    lengths: Int64[Tensor, "b axes"] | None = None,
) -> Float[Tensor, " b"]:
    """10 log10(R^2 / mean (x - y)^2) in dB per item, R = high - low; inf for identical items."""
    low, high = value_range
    mean_square = torch.stack([(exact(a) - exact(b)).square().mean() for a, b in pairs(x, y, lengths)])
    return 10 * torch.log10((high - low) ** 2 / mean_square)


def ssim(
    x: Float[Tensor, "b c *t h w"],
    y: Float[Tensor, "b c *t h w"],
    value_range: tuple[float, float],
    lengths: Int64[Tensor, "b axes"] | None = None,
) -> Float[Tensor, " b"]:
    """Structural similarity per image, or video (Wang, Bovik, Sheikh, Simoncelli 2004, equation 13).

    The mean over all positions and channels, with a Gaussian window (11 x 11, sigma 1.5) and the picture mirrored at
    its edges, as torchmetrics has it: a tile's border counts like its middle. SSIM is defined for values that start
    at zero, so the range is moved to 0..1 first: with means taken of -1..1 the same two pictures have another value.
    Raises ValueError for images smaller than the window.
    """
    if min(x.shape[-2:]) < WINDOW or (lengths is not None and int(lengths[:, -2:].min()) < WINDOW):
        least = tuple(x.shape[-2:]) if lengths is None else tuple(lengths[:, -2:].min(0).values.tolist())
        raise ValueError(f"SSIM needs images of at least {WINDOW} x {WINDOW}, got {least}; leave out metrics.ssim")
    return torch.stack([_ssim_of_one(a, b, value_range) for a, b in pairs(x, y, lengths)])


def _ssim_of_one(x: Tensor, y: Tensor, value_range: tuple[float, float]) -> Tensor:
    low, high = value_range
    x, y = ((exact(v) - low) / (high - low) for v in (x, y))
    return structural_similarity(x.flatten(0, -3), y.flatten(0, -3)).mean()


def pairs(x: Tensor, y: Tensor, lengths: Tensor | None) -> list[tuple[Tensor, Tensor]]:
    """Every item [c, *own size] beside its reconstruction, without padding."""
    assert x.shape == y.shape, f"{tuple(x.shape)} is measured against {tuple(y.shape)}"
    if lengths is None:
        return list(zip(x, y, strict=True))
    cuts = [(..., *(slice(0, n) for n in row)) for row in lengths.tolist()]
    return [(a[cut], b[cut]) for a, b, cut in zip(x, y, cuts, strict=True)]


def exact(values: Tensor) -> Tensor:
    """The values in float64, on the processor where the device has no such numbers."""
    return (values.cpu() if values.device.type == "mps" else values).double()
