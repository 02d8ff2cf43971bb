"""Picture files to tensors: every kind of pixel that Pillow reads becomes three channels of 8 bits.

- grey is repeated to three channels; palettes are looked up; CMYK and YCbCr are converted by Pillow;
- transparency is laid over white, rounded to the nearest value;
- 16-bit grey is scaled by 255/65535 and rounded (Pillow's own conversion clips at 255). Colour of 16 bits a channel
  is reduced by Pillow to its upper 8 bits;
- the EXIF orientation is applied; of several frames the first is taken.

A truncated or damaged file is an error; no part of it is made up.
"""

import struct
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image, ImageOps
from torch import Tensor

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def read_image(path: str | Path) -> Float32[Tensor, "3 h w"]:
    """The picture in value range -1..1. ValueError naming path and reason where it cannot be read."""
    return to_signal(read_pixels(path))


def read_pixels(path: str | Path) -> UInt8[Tensor, "3 h w"]:
    """The picture in 8 bits. ValueError naming path and reason where it cannot be read."""
    try:
        with Image.open(path) as picture:
            pixels = _rgb(ImageOps.exif_transpose(picture))
    except _UNREADABLE as error:
        raise _explain(error, path) from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_size(path: str | Path) -> tuple[int, int]:
    """Height and width from the file's header, as stored: before the EXIF orientation, which may swap them."""
    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except _UNREADABLE as error:
        raise _explain(error, path) from error


def to_signal(pixels: UInt8[Tensor, "*b 3 h w"]) -> Float32[Tensor, "*b 3 h w"]:
    """0..255 to -1..1."""
    return pixels.to(torch.float32).div_(127.5).sub_(1)


def resize_shorter(pixels: UInt8[Tensor, "3 h w"], shorter: int) -> UInt8[Tensor, "3 h2 w2"]:
    """Scaled so that the shorter side has the given length: Pillow's bicubic filter, antialiased."""
    height, width = resized(pixels.shape[1], pixels.shape[2], shorter)
    if (height, width) == tuple(pixels.shape[1:]):
        return pixels
    picture = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    scaled = np.array(picture.resize((width, height), Image.Resampling.BICUBIC))
    return torch.from_numpy(scaled).permute(2, 0, 1).contiguous()


def resized(height: int, width: int, shorter: int) -> tuple[int, int]:
    """Height and width after resize_shorter."""
    scale = shorter / min(height, width)
    return max(shorter, round(height * scale)), max(shorter, round(width * scale))


def _rgb(picture: Image.Image) -> np.ndarray:
    """uint8 [h, w, 3]."""
    if picture.mode.startswith("I"):
        grey = _scaled_grey(np.asarray(picture))
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no fixed range; save it with 8 or 16 bits")
    if picture.has_transparency_data:
        return _over_white(np.asarray(picture.convert("RGBA")))
    return np.array(picture.convert("RGB"))


def _scaled_grey(grey: np.ndarray) -> np.ndarray:
    """16 bits to 8, rounded to the nearest."""
    low, high = int(grey.min()), int(grey.max())
    if low < 0 or high > 65535:
        raise ValueError(f"integer pixels from {low} to {high} do not fit 16 bits; save it with 8 or 16 bits")
    return ((grey.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _over_white(rgba: np.ndarray) -> np.ndarray:
    """(alpha * colour + (255 - alpha) * 255) / 255, rounded to the nearest."""
    colour, alpha = rgba[:, :, :3].astype(np.uint32), rgba[:, :, 3:].astype(np.uint32)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _explain(error: Exception, path: str | Path) -> ValueError:
    if isinstance(error, FileNotFoundError):
        return ValueError(f"cannot read {path}: there is no such file; check the path")
    if isinstance(error, Image.UnidentifiedImageError):
        reason = "it is not a picture that Pillow knows, or its header is damaged"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = str(error) or type(error).__name__
    return ValueError(f"cannot read {path}: {reason}; remove or replace it")
