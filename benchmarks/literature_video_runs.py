"""The runs behind the claims about video tokenizers.

Every run trains small networks of 4 x 8 x 8 on clips of nine frames of 64 pixels of data/video, of 48 for claim 29, by
the absolute error, with FSQ of 1,000 codes. Only what the name of a run says differs.
"""

import os
import statistics
import time
from pathlib import Path

import torch
from omegaconf import OmegaConf
from torch import Tensor

from signaltok.decoders.video import VideoDecoder
from signaltok.encoders.video import VideoEncoder
from signaltok.layers.extent import Extent
from signaltok.layers.time_convolution import TimeConvolution
from signaltok.training.config.build import build
from signaltok.training.start import read_tokenizer

ROOT = Path(__file__).parents[1]
BASE = (
    "task_name=literature", "trainer=cpu", "run.report=false", "run.checkpoint=last", "callbacks.progress_bar=null",
    "callbacks.best_checkpoint=null", "callbacks.interruption=null", "callbacks.collapse=null", "~metrics.ssim",
    "objective=absolute_error", "run.limit_eval_batches=8", f"paths.root_dir={ROOT}",
)  # fmt: skip


def network(widths: str, back: str, *more: str) -> tuple[str, ...]:
    return (f"encoder.widths={widths}", f"decoder.widths={back}", "encoder.depth=1", *more)


CAUSAL = ("experiment=video_causal", *network("[32,64]", "[64,32]"))
RUNS: dict[str, tuple[str, ...]] = {
    "causal": CAUSAL,
    "not_causal": (*CAUSAL, "data.frames=8", "data.eval_frames=16"),
    "frames": (
        "experiment=video_frames", "encoder.pictures.widths=[32,64,64]", "decoder.pictures.widths=[64,64,32]",
        "encoder.pictures.depth=1", "decoder.pictures.depth=1",
    ),
    "inflated": ("experiment=video_inflated", *network("[32,64]", "[64,32]")),
    "haar": ("experiment=video_haar", *network("[32,64]", "[64,32]"), "data.size=48"),
    "without_front": (
        "experiment=video_causal",
        *network("[8,16,32,64]", "[64,32,16,8]", "encoder.front.space=1", "encoder.time_strides=[1,1,2,2]"),
        "data.size=48",
    ),
}  # fmt: skip
# Functions of this file that add figures to a complete run, and one that changes the package before it.
EXTRA = {
    "causal": "literature_video_runs:streamed",
    "haar": "literature_video_runs:step_seconds",
    "without_front": "literature_video_runs:step_seconds",
}
DEFECTS = {"not_causal": "literature_video_runs:look_ahead"}


def overrides(name: str, steps: int) -> list[str]:
    """The overrides of a run of so many steps."""
    own = [f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps}", "trainer.log_every_n_steps=50"]
    # The experiment first: what follows is laid over it.
    return [*RUNS[name], *BASE, *own]


def look_ahead() -> None:
    """Have every convolution along time look as far ahead as back, so that no frame has a cell of its own first.

    The networks keep their parameters, and n * 4 frames become n cells: the counterpart that VidTok compares with.
    """

    def centred(layer: TimeConvolution, x: Tensor, *, extent: Extent) -> Tensor:
        assert extent.memory is None, "what looks ahead cannot go on from a piece"
        before = layer.before // 2
        first, last = x[:, :, :1], x[:, :, -1:]
        repeated = (first.expand(-1, -1, before, -1, -1), x, last.expand(-1, -1, layer.before - before, -1, -1))
        return layer.weighted(torch.cat(repeated, dim=2))

    TimeConvolution.forward = centred  # type: ignore[method-assign]
    for part in (VideoEncoder, VideoDecoder):
        build_causal = part.__init__

        def without_lead(self, *, build_causal=build_causal, **arguments) -> None:
            build_causal(self, **arguments)
            self.lead, self.receptive_field = None, None  # it looks at the whole clip

        part.__init__, part.causal = without_lead, False  # type: ignore[method-assign]
    VideoEncoder._lead = (0, 0, 0)  # type: ignore[assignment,misc]


def test_clips(run: Path, clips: int) -> list[Tensor]:
    """The first clips of the test split of a run, whole frames."""
    data = build(OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))["data"])  # type: ignore[index,call-overload]
    return [data.eval_set("test")[number].signal[None] for number in range(clips)]


def streamed(run: Path) -> dict[str, float]:
    """How far what a stream decodes, by pieces of other extents than the blocks, is from what is decoded whole.

    stream/difference: the largest one, of values in -1 to 1. stream/by_blocks: the same at the tokenizer's own blocks.
    """
    tokenizer = read_tokenizer(run, "last")
    found = {"stream/difference": 0.0, "stream/by_blocks": 0.0}
    for clip in test_clips(run, 4):
        stack = tokenizer.encode(clip)
        whole = tokenizer.decode(stack)
        for name, latency in (("stream/difference", 4), ("stream/difference", 8), ("stream/by_blocks", None)):
            stream, pieces = tokenizer.stream(latency=latency), []
            for piece in clip.split(5, dim=2):
                pieces.append(stream.decode(stream.encode(piece)))
            pieces.append(stream.decode(stream.flush(), last=True))
            found[name] = max(found[name], float((torch.cat(pieces, dim=2) - whole).abs().max()))
    return found


def step_seconds(run: Path, rounds: int = 9) -> dict[str, float]:
    """step/seconds: of the processor, there and back through encoder and decoder of a training batch; the median."""
    tokenizer = read_tokenizer(run, "last").train()
    clip = torch.rand(2, 3, 9, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = []
    for _ in range(rounds + 1):  # the first one warms up
        start = time.process_time()
        tokenizer(clip).signal.abs().mean().backward()
        found.append(time.process_time() - start)
    assert os.environ.get("OMP_NUM_THREADS") == "1", "seconds of the processor count every thread"
    return {"step/seconds": statistics.median(found[1:])}
