"""Videos as batches of pictures, and back."""

from jaxtyping import Float, Int64
from torch import Tensor

from signaltok.parts import Decoder, Encoder


def check_pictures(axes: int, channels: int, latent_dim: int, pictures: Encoder | Decoder) -> None:
    """Raise ValueError where a part is none for the frames of such a video."""
    if axes != 3 or pictures.axes != 2 or pictures.tokens is not None:
        raise ValueError(
            f"axes is {axes}, and `pictures` is a {type(pictures).__name__} over {pictures.axes} axes"
            + ("" if pictures.tokens is None else f" with {pictures.tokens} tokens")
            + "; a video has 3, and its frames need a part over 2 with a grid"
        )
    if (channels, latent_dim) != (pictures.channels, pictures.latent_dim):
        raise ValueError(
            f"channels and latent_dim are {channels} and {latent_dim}, those of `pictures` {pictures.channels} and "
            f"{pictures.latent_dim}; give both the same"
        )


def folded(
    x: Float[Tensor, "b c t h w"], lengths: Int64[Tensor, "b 3"] | None
) -> tuple[Float[Tensor, "n c h w"], Int64[Tensor, "n 2"] | None]:
    """The frames of all items, those beyond an item's end too, and how far each one is valid."""
    frames = x.transpose(1, 2).flatten(0, 1)
    return frames, None if lengths is None else lengths[:, 1:].repeat_interleave(x.shape[2], dim=0)


def unfolded(frames: Float[Tensor, "n c h w"], items: int) -> Float[Tensor, "items c t h w"]:
    """The inverse, of frames of any size."""
    return frames.unflatten(0, (items, -1)).transpose(1, 2).contiguous()
