"""What compositions share: the maps between a latent and their inner latent, and what they ask of their members."""

from jaxtyping import Float
from torch import Tensor, nn

from signaltok.parts import Quantizer
from signaltok.types.token_stack import WHOLE


def check_one_grid(member: Quantizer) -> None:
    """Raise ValueError for a member whose codes do not lie on the grid of its latent."""
    if any(stride != 1 for stride in member.level_strides) or any(share != WHOLE for share in member.level_shares):
        raise ValueError(
            f"the members of this composition work on one grid, but {type(member).__name__} has grids of its own; nest "
            "them the other way round: this composition as the level of a multiscale one"
        )


def projection(inputs: int, outputs: int) -> nn.Module:
    """A linear map at every position; the identity where the widths are equal."""
    return nn.Linear(inputs, outputs) if inputs != outputs else nn.Identity()


def pointwise(layer: nn.Module, z: Float[Tensor, "b d *l"]) -> Float[Tensor, "b out *l"]:
    """A map of projection over the channels at every position."""
    return z if isinstance(layer, nn.Identity) else layer(z.movedim(1, -1)).movedim(-1, 1)


def channels_last(z: Float[Tensor, "b d *l"]) -> Float[Tensor, "b d *l"]:
    """z with the channels of a position side by side in memory: what a search reads row by row, whatever the axes."""
    return z.movedim(1, -1).contiguous().movedim(-1, 1)
