"""Where the time of a training step of an audio codec goes: encoder, quantizer, decoder, losses, discriminator.

The parts of an experiment, from its own batches, with the discriminator taking part as it does at the end of the run.
Each part goes forward and backward by itself, with the gradients handed over by hand, so that each has its own time;
losses are the objective and the balancer up to the gradient at the reconstruction. Quantizers learn from step to step
(codes start, dead ones are revived), nothing else does: the optimizers' step is a part of its own. Medians of steps.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

from signaltok.adversaries.adversary import MATCHING
from signaltok.training.assemble import build_module, build_run_data, build_tokenizer
from signaltok.training.config.build import build
from signaltok.training.config.resolve import plain, prepare
from signaltok.training.data_module import RunLoader
from signaltok.training.module import TokenizerModule
from signaltok.types.batch import Batch
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import grid_lengths, valid_mask

ROOT = Path(__file__).parents[1]
PARTS = ("encoder", "quantizer", "decoder", "losses", "discriminator", "optimizers")
WARM_UP = 2
LIMIT = 0.1  # of the quantizer's share


class Clock:
    """Seconds of each part."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - start


def set_up(overrides: list[str], steps: int) -> tuple[TokenizerModule, RunLoader]:
    """The module of a run and its batches."""
    prepare()
    own = ["trainer=cpu", f"trainer.max_steps={steps}", f"paths.root_dir={ROOT}", "paths.output_dir=run"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = plain(compose("train", [*overrides, *own]))
    torch.manual_seed(0)
    data = build_run_data(config, data=build(config["data"]))
    module = build_module(config, build_tokenizer(config), data)
    loader = data.data.train_loader(seed=0, num_batches=steps, start_batch=0, rank=0, world=1)
    return module.train(), RunLoader(loader, num_batches=steps, start_batch=0, repeat=None)


def step(module: TokenizerModule, batch: Batch, optimizers: list[torch.optim.Optimizer]) -> dict[str, float]:
    """Seconds of each part in one step."""
    clock, tokenizer, adversary = Clock(), module.tokenizer, module.adversary
    signal, lengths, autocast = batch.signal, batch.lengths, module.optimization.autocast
    cells = None if lengths is None else grid_lengths(lengths, tokenizer.encoder.stride)
    for optimizer in optimizers:
        optimizer.zero_grad()

    def cast() -> object:
        return nullcontext() if autocast is None else torch.autocast(signal.device.type, autocast)

    with clock.of("encoder"), cast():  # type: ignore[attr-defined]
        latent = tokenizer.encoder(signal, lengths)
    z = latent.detach().requires_grad_()
    mask = None if cells is None else valid_mask(cells, tuple(z.shape[2:]))
    with clock.of("quantizer"), cast():  # type: ignore[attr-defined]
        quantized = tokenizer.quantizer(z, mask)
    z_q = quantized.z_q.detach().requires_grad_()
    with clock.of("decoder"), cast():  # type: ignore[attr-defined]
        decoded = tokenizer.decoder.learn(z_q, cells)[0][..., : signal.shape[-1]]
        if lengths is not None:
            decoded = decoded * valid_mask(lengths, tuple(signal.shape[2:]))
    leaf = decoded.detach().float().requires_grad_()
    own = {name: value.detach().requires_grad_() for name, value in quantized.losses.items()}
    given: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    pulls = torch.zeros_like(leaf)
    if adversary is not None:
        with clock.of("discriminator"), cast():  # type: ignore[attr-defined]
            fake, real = adversary.judge(leaf, lengths), adversary.judge(signal, lengths)
        with clock.of("discriminator"):
            for name, value in adversary.of_generator(real, fake).items():
                (gradient,) = torch.autograd.grad(value, leaf, retain_graph=True)
                given[name] = (value.detach(), gradient)
                pulls += gradient * (adversary.matching.weight if name == MATCHING and adversary.matching else 1.0)
            loss, _ = adversary.of_discriminator(real, fake)
            loss.backward(inputs=list(adversary.discriminator.parameters()))
    with clock.of("losses"):
        seen = Reconstruction(signal=leaf, quantized=replace(quantized, losses=own), latent=z.float(), mask=mask)
        raw = module.objective.values(batch, seen)
        if module.balance is not None:
            total, pulls, _ = module.balance(leaf, raw, given)
            if total.requires_grad:
                total.backward()
        else:
            module.objective.total(raw).backward()
            assert leaf.grad is not None, "some term compares the signals"
            pulls += leaf.grad
    with clock.of("decoder"):
        decoded.backward(pulls.to(decoded.dtype))
    with clock.of("quantizer"):
        graded = {name: leaf_loss.grad for name, leaf_loss in own.items() if leaf_loss.grad is not None}
        torch.autograd.backward(
            [quantized.z_q, *(quantized.losses[name] for name in graded)], [z_q.grad, *graded.values()]
        )
    with clock.of("encoder"):
        latent.backward(z.grad)
    with clock.of("optimizers"):
        for optimizer in optimizers:
            optimizer.step()
    return clock.seconds


def row(name: str, overrides: list[str], steps: int) -> dict[str, object]:
    """The shares of a set-up."""
    module, batches = set_up(overrides, steps + WARM_UP)
    made = module.configure_optimizers()
    optimizers = made if isinstance(made, list) else [made]
    found = []
    for number, batch in enumerate(batches):
        module.tokenizer.quantizer.advance(number / (steps + WARM_UP))
        found.append(step(module, batch, optimizers))
    medians = {part: statistics.median(one[part] for one in found[WARM_UP:]) for part in PARTS}
    total = sum(medians.values())
    shares = {part: round(value / total, 4) for part, value in medians.items()}
    return {
        "experiment": name,
        "milliseconds": round(1000 * total, 1),
        **shares,
        "quantizer_below_limit": shares["quantizer"] < LIMIT,
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="speed.py codec_step", description=__doc__)
    parser.add_argument("--experiments", default="audio_encodec,audio_dac", help="comma-separated")
    parser.add_argument("--steps", type=int, default=20, help=f"that count, after {WARM_UP} that do not")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="the last line is a JSON list of the rows")
    options = parser.parse_args(arguments)
    names = options.experiments.split(",")
    there = {path.stem for path in (ROOT / "configs" / "experiment").glob("*.yaml")}
    if unknown := set(names) - there:
        sys.exit(f"there is no experiment {', '.join(sorted(unknown))}; there are {', '.join(sorted(there))}")
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}; {options.threads} threads, medians of {options.steps} steps; share of a step, %")
    print(f"{'experiment':<20}{'ms':>9}" + "".join(f"{part:>15}" for part in PARTS))
    rows = []
    for name in names:
        found = row(name, [f"experiment={name}"], options.steps)
        rows.append(found)
        print(
            f"{name:<20}{found['milliseconds']:>9}" + "".join(f"{100 * found[part]:>15.1f}" for part in PARTS),  # type: ignore[operator]
            flush=True,
        )
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
