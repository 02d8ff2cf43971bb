"""Names and versions of the exported folder (docs/formats.md says what each version changed)."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from signaltok.parts import Decoder, Encoder, Quantizer
from signaltok.streams import vocabulary as streams_vocabulary
from signaltok.streams.stream import stream_of
from signaltok.streams.vocabulary import Vocabulary
from signaltok.types.token_stack import WHOLE, Lead, Share

FORMAT_VERSION = 1
CONFIG = "config.json"
MODEL = "model.safetensors"
CODEBOOKS = "codebooks.safetensors"
VOCABULARY = streams_vocabulary.FILE
CARD = "README.md"
SAMPLES = "samples"
MODALITIES = {1: "audio", 2: "image", 3: "video"}
# How the names of tensors end that only training reads (quantizers.distributed.Draws, the head of a contrastive
# quantizer): checkpoints hold them, exported folders do not, and older checkpoints lack them.
TRAINING_ONLY = ("draws.seed", "draws.steps", "anchor_head.weight", "anchor_head.bias", ".hits")
# Arguments that a part has got since folders of this format version were first written, with the values they then had.
SINCE: dict[str, dict[str, Any]] = {
    "signaltok.tokenizer.Tokenizer": {"sample_rate": None},
    "signaltok.quantizers.residual.ResidualQuantizer": {
        "shared": False,
        "rescale": 1.0,
        "choices": None,
        "orthogonal": False,
    },
    "signaltok.quantizers.multiscale.MultiscaleQuantizer": {"orthogonal": False},
    "signaltok.encoders.imagenet.ImageNetEncoder": {"blocks": []},
    "signaltok.quantizers.contrastive.ContrastiveQuantizer": {
        "chart": {"class": "signaltok.quantizers.chart.Direction", "arguments": {}},
        "head": "own",
        "initialization": None,
        "revival": None,
        "decay": 0.97,
    },
    "signaltok.quantizers.split.SplitQuantizer": {"residual": False, "orthogonal": False},
    "signaltok.encoders.spectral.SpectralEncoder": {"norms": True, "gain": 1.0},
    "signaltok.decoders.spectral.SpectralDecoder": {"final_norm": True},
    "signaltok.quantizers.gumbel.GumbelQuantizer": {"late_start": 0.0, "initialization": None, "sharpness": 1.0},
    "signaltok.quantizers.finite_scalar.FiniteScalarQuantizer": {
        "estimator": {"class": "signaltok.quantizers.codebook.estimator.StraightThrough", "arguments": {}}
    },
}


@runtime_checkable
class Exportable(Protocol):
    """What writing asks of a tokenizer."""

    encoder: Encoder
    quantizer: Quantizer
    decoder: Decoder
    value_range: tuple[float, float]
    block: int
    sample_rate: int | None

    @property
    def strides(self) -> tuple[tuple[int, ...], ...]: ...  # noqa: D102

    @property
    def lead(self) -> Lead | None: ...  # noqa: D102

    @property
    def shares(self) -> tuple[Share, ...]: ...  # noqa: D102

    @property
    def collapses(self) -> bool: ...  # noqa: D102

    def state_dict(self) -> dict[str, Tensor]: ...  # noqa: D102


def fingerprint(description: Any, weights: dict[str, Tensor]) -> str:
    """SHA-256 over the description and every tensor's name, type, shape and bytes: the tokenizer's identity."""
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bits_a_position(codebook_sizes: list[int], strides: list[list[int]], shares: list[list[int]] | None) -> float:
    """log2 of the codebook size over the signal positions of a code, summed over the levels."""
    total = 0.0
    for level, (size, stride) in enumerate(zip(codebook_sizes, strides, strict=True)):
        kept, of = WHOLE if shares is None else shares[level]
        total += math.log2(size) / math.prod(stride) * (kept / of) ** len(stride)
    return total


def vocabulary(config: dict[str, Any]) -> Vocabulary:
    """The vocabulary map of one tokenizer alone, with bytes for text, from what config.json holds of it."""
    return Vocabulary((stream_of(config),) if config["codebook_sizes"] else ())
