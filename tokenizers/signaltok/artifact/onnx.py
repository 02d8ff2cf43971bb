"""ONNX: encoder.onnx (signal -> codes) and decoder.onnx (codes -> signal), checked against the tokenizer.

One item of any size, the size being a dynamic axis. Needs the extra `export`.
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from signaltok.artifact.layout import Exportable
from signaltok.files import atomic_file
from signaltok.types.token_stack import WHOLE

ENCODER = "encoder.onnx"
DECODER = "decoder.onnx"
PIXEL_TOLERANCE = 1e-4  # another runtime sums in another order; codes must be equal all the same


class _Encode(nn.Module):
    def __init__(self, tokenizer: Exportable) -> None:
        super().__init__()
        self.encoder, self.quantizer = tokenizer.encoder, tokenizer.quantizer

    def forward(self, signal: Tensor) -> tuple[Tensor, ...]:
        return self.quantizer.encode(self.encoder(signal, None))


class _Decode(nn.Module):
    def __init__(self, tokenizer: Exportable) -> None:
        super().__init__()
        self.quantizer, self.decoder = tokenizer.quantizer, tokenizer.decoder

    def forward(self, *levels: Tensor) -> Tensor:
        return self.decoder(self.quantizer.decode(levels), None)


def write_onnx(tokenizer: Exportable, folder: Path, probe: Tensor) -> tuple[Path, Path]:
    """Write both files into folder and hold them against the tokenizer on probe [1, c, *s].

    Sizes are multiples of the stride in ONNX (pad the picture first). Raises ValueError where the extra is missing,
    the tokenizer has no codes or a lead or its tokens are a sequence, or onnxruntime gives other codes.
    """
    if tokenizer.lead is not None:
        raise ValueError(
            "ONNX export is for signals of whole cells, but the first cell of this tokenizer stands for less (lead "
            f"{tokenizer.lead}): use signaltok.load in its place"
        )
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"ONNX export needs {', '.join(missing)}: pip install 'signaltok[export]'")
    if not tokenizer.quantizer.codebook_sizes:
        raise ValueError("this tokenizer has no codes, so there is nothing to export to ONNX")
    if tokenizer.encoder.tokens is not None:
        raise ValueError(
            "ONNX export is for grids of codes; a sequence of tokens does not say which size to decode to: use "
            "signaltok.load in its place"
        )
    if any(tokenizer.quantizer.level_strides[0] != n for n in tokenizer.quantizer.level_strides) or any(
        share != WHOLE for share in tokenizer.shares
    ):
        raise ValueError(
            "the levels of this tokenizer have grids of several sizes, which ONNX export cannot express; leave it out"
        )
    stride = tokenizer.encoder.stride
    probe = probe[(..., *(slice(0, n // step * step) for n, step in zip(probe.shape[2:], stride, strict=True)))]
    encode, decode = _Encode(tokenizer).eval(), _Decode(tokenizer).eval()
    with torch.no_grad():
        codes = encode(probe)
        signal = decode(*codes)
        grid = [torch.export.Dim(f"cells_{axis}", min=1) for axis in range(len(stride))]
        sizes = {2 + axis: step * cells for axis, (step, cells) in enumerate(zip(stride, grid, strict=True))}
        _write(encode, (probe,), folder / ENCODER, ["signal"], [f"codes_{n}" for n in range(len(codes))], (sizes,))
        cells = {1 + axis: dim for axis, dim in enumerate(grid)}
        names = [f"codes_{n}" for n in range(len(codes))]
        _write(decode, codes, folder / DECODER, names, ["signal"], ((cells,) * len(codes),))
    _check(folder, probe, codes, signal)
    return folder / ENCODER, folder / DECODER


def _write(
    module: nn.Module, inputs: tuple[Tensor, ...], path: Path, ins: list[str], outs: list[str], shapes: tuple
) -> None:
    with atomic_file(path) as temporary:
        torch.onnx.export(
            module,
            inputs,
            str(temporary),
            input_names=ins,
            output_names=outs,
            dynamic_shapes=shapes,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _check(folder: Path, probe: Tensor, codes: tuple[Tensor, ...], signal: Tensor) -> None:
    """Raise ValueError where onnxruntime disagrees with the tokenizer."""
    import onnxruntime

    encoder = onnxruntime.InferenceSession(str(folder / ENCODER), providers=["CPUExecutionProvider"])
    found = encoder.run(None, {"signal": probe.numpy()})
    for level, (ours, theirs) in enumerate(zip(codes, found, strict=True)):
        different = int((ours.numpy() != theirs).sum())
        if different:
            raise ValueError(f"{folder / ENCODER} gives {different} other codes of {ours.numel()} at level {level}")
    decoder = onnxruntime.InferenceSession(str(folder / DECODER), providers=["CPUExecutionProvider"])
    (decoded,) = decoder.run(None, {f"codes_{n}": level.numpy() for n, level in enumerate(codes)})
    distance = float(np.abs(np.asarray(decoded) - signal.numpy()).max())
    if distance > PIXEL_TOLERANCE:
        raise ValueError(f"{folder / DECODER} differs from the tokenizer by {distance:g}")
