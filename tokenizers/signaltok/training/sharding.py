"""Fully sharded data parallelism for large ViT tokenizers (Zhao et al. 2023, PyTorch FSDP)."""

from functools import partial

from pytorch_lightning.strategies import FSDPStrategy
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

from signaltok.layers.transformer import TransformerBlock


def fully_sharded() -> FSDPStrategy:
    """Each transformer block is a unit; a checkpoint is written whole, so that it loads like any other."""
    policy = partial(transformer_auto_wrap_policy, transformer_layer_cls={TransformerBlock})
    return FSDPStrategy(auto_wrap_policy=policy, state_dict_type="full")
