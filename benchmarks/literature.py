"""Claims of the literature, reproduced in small: equal data, steps and encoders, three seeds, one table.

python benchmarks/literature.py images|audio|video|speech [--claims 1,4,13] [--seeds 0,1,2] [--steps N]
    [--workers 2] [--table] [--out FOLDER] [--plot images.png]

Runs are shared between claims and complete ones are not run again, so the same command goes on where it was broken off.
A claim *holds* where its sign is the same for every seed and the mean gap is more than twice the larger standard
deviation over seeds; *holds in sign* where only the sign is; else it *does not hold*. It is printed as it is found.
"""

import argparse
import itertools
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))

HOLDS, IN_SIGN, FAILS, NOT_RUN = "holds", "holds in sign", "does not hold", "not run"
Values = dict[str, dict[str, list[float]]]  # run -> figure -> a value a seed


@dataclass(frozen=True)
class Claim:
    """name and source: of the reference. runs: by name. judge: (what was measured, verdict) of their values."""

    name: str
    text: str
    source: str
    runs: tuple[str, ...]
    judge: Callable[[Values], tuple[str, str]]


def above(high: list[float], low: list[float]) -> str:
    """The verdict on high > low, seed by seed."""
    gaps = [a - b for a, b in zip(high, low, strict=True)]
    if min(gaps) <= 0:
        return FAILS
    spread = max((statistics.stdev(values) for values in (high, low)), default=0.0) if len(high) > 1 else math.inf
    return HOLDS if statistics.mean(gaps) > 2 * spread else IN_SIGN


def worst(*verdicts: str) -> str:
    """The weakest of several."""
    return max(verdicts, key=(HOLDS, IN_SIGN, FAILS, NOT_RUN).index)


def rising(*columns: list[float]) -> str:
    """The verdict on a sequence that rises step by step."""
    return worst(*(above(b, a) for a, b in itertools.pairwise(columns)))


def at_least(values: list[float], bound: float) -> str:
    """The verdict on a bound that every seed keeps."""
    return HOLDS if min(values) >= bound else FAILS


def shown(values: list[float], digits: int = 2, factor: float = 1.0) -> str:
    """Mean and, of several seeds, standard deviation."""
    mean = f"{factor * statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {factor * statistics.stdev(values):.{digits}f}"


def execute(overrides: list[str], folder: Path, extra: str | None, before: str | None = None) -> None:
    """One run in this process, which is the run's own where `before` changes the package.

    extra: a function, as module:name, that is told the folder and adds figures to extra.json. before: one that is
    called before the run and puts a defect into the package.
    """
    import json

    import torch
    from hydra import compose, initialize_config_dir

    from signaltok.training.config.check import check
    from signaltok.training.config.resolve import plain, prepare
    from signaltok.training.config.schema import TrainConfig
    from signaltok.training.run import run

    torch.set_num_threads(1)
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", [*overrides, f"paths.output_dir={folder}", f"paths.log_dir={folder.parent}"])
    settings = plain(config)
    check(settings, TrainConfig)
    if before is not None:
        named(before)()
    run(settings, command=["python", "benchmarks/literature.py"], overrides=overrides)
    if extra is not None:
        figures = named(extra)(folder)
        (folder / "extra.json").write_text(json.dumps(figures))


def named(place: str) -> Callable[..., Any]:
    """The function of a module beside this one, as module:name."""
    module, name = place.split(":")
    return getattr(__import__(module), name)


def values_of(folder: Path) -> dict[str, float]:
    """summary.json and extra.json of a complete run."""
    import json

    found: dict[str, float] = {}
    for name in ("summary.json", "extra.json"):
        if (folder / name).is_file():
            found |= json.loads((folder / name).read_text())
    return found


def missing(folder: Path, extra: str | None) -> bool:
    return not (folder / ("summary.json" if extra is None else "extra.json")).is_file()


def run_all(jobs: list[tuple[list[str], Path, str | None, str | None]], workers: int, after: dict[Path, Path]) -> None:
    """Every job that is not complete, some at a time, each in a process forked from one with everything imported.

    after: the folder of a job -> that of the job whose run it looks at, which has to be complete first.
    """
    from rich.progress import Progress

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["literature_preload"])
    waiting = [job for job in jobs if missing(job[1], job[2])]
    running: list[tuple[Any, Path]] = []
    with Progress() as progress:
        task = progress.add_task("runs", total=len(waiting))
        while waiting or running:
            unfinished = {folder for _, folder in running} | {job[1] for job in waiting}
            ready = [job for job in waiting if after.get(job[1]) not in unfinished]
            while ready and len(running) < workers:
                waiting.remove(job := ready.pop(0))
                overrides, folder, extra, before = job
                for path in sorted(folder.rglob("*"), reverse=True):  # of a run that was broken off
                    path.unlink() if path.is_file() or path.is_symlink() else path.rmdir()
                process = context.Process(target=execute, args=(overrides, folder, extra, before))
                process.start()
                running.append((process, folder))
            time.sleep(0.2)
            for process, folder in list(running):
                if process.exitcode is not None:
                    running.remove((process, folder))
                    progress.advance(task)
                    if process.exitcode:
                        progress.console.print(f"{folder} ended with {process.exitcode}; its claims say 'not run'")


def report(claims: list[Claim], chosen: set[str], values: Values, seeds: int, steps: int) -> str:
    """The table as Markdown."""
    lines = ["| # | claim | source | measured | verdict |", "| --- | --- | --- | --- | --- |"]
    verdicts = []
    for claim in claims:
        complete = all(len(next(iter(values.get(run, {"": []}).values()), [])) == seeds for run in claim.runs)
        measured, verdict = ("", NOT_RUN) if claim.name not in chosen or not complete else claim.judge(values)
        verdicts.append(verdict)
        lines.append(f"| {claim.name} | {claim.text} | {claim.source} | {measured} | {verdict} |")
    count = {verdict: verdicts.count(verdict) for verdict in (HOLDS, IN_SIGN, FAILS, NOT_RUN)}
    summary = ", ".join(f"{number} {verdict}" for verdict, number in count.items() if number)
    return "\n".join([*lines, "", f"{len(claims)} claims: {summary}. {steps} steps a run, {seeds} seeds."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=["images", "audio", "video", "speech"])
    parser.add_argument("--claims", help="their names, comma-separated; by default all")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, help="of a run; by default what the subject says")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, a thread each")
    parser.add_argument("--table", action="store_true", help="run nothing: the table of the runs that are complete")
    parser.add_argument("--plot", type=Path, help="images: rate and distortion of runs of the first seed, as a picture")
    parser.add_argument("--out", type=Path, default=ROOT / "outputs" / "literature")
    options = parser.parse_args()
    subject = __import__(f"literature_{options.subject}")
    if options.plot is not None and not hasattr(subject, "PLOT"):
        parser.error("--plot is for images")
    known = dict.fromkeys(claim.name for claim in subject.CLAIMS)
    chosen = set(options.claims.split(",")) if options.claims else set(known)
    if unknown := chosen - set(known):
        parser.error(f"there is no claim {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    needed = dict.fromkeys(run for claim in subject.CLAIMS if claim.name in chosen for run in claim.runs)
    steps = options.steps or subject.STEPS
    jobs, places = [], {}
    looks_at: dict[str, str] = getattr(subject, "AFTER", {})
    needed = dict.fromkeys([*(looks_at[run] for run in needed if run in looks_at), *needed])
    for name in needed:
        for seed in seeds:
            folder = (options.out / f"{steps}" / name / str(seed)).resolve()
            folder.parent.mkdir(parents=True, exist_ok=True)  # so that a path by way of it leads to other runs
            places[name, seed] = folder
            overrides = [*subject.overrides(name, steps), f"seed={seed}"]
            jobs.append((overrides, folder, subject.EXTRA.get(name), subject.DEFECTS.get(name)))
    if not options.table:
        after = {places[name, seed]: places[looks_at[name], seed] for name, seed in places if name in looks_at}
        run_all(jobs, options.workers, after)
    values: Values = {}
    for (name, _), folder in places.items():
        if not missing(folder, subject.EXTRA.get(name)):
            for figure, value in values_of(folder).items():
                values.setdefault(name, {}).setdefault(figure, []).append(value)
    text = report(subject.CLAIMS, chosen, values, len(seeds), steps)
    (options.out / f"{options.subject}.md").write_text(text + "\n")
    sys.stdout.write(text + "\n")
    if options.plot is not None:
        from rate_distortion import draw, measure

        runs = {name: folder for (name, seed), folder in places.items() if name in subject.PLOT and seed == seeds[0]}
        draw(options.plot, *measure({n: f for n, f in runs.items() if not missing(f, subject.EXTRA.get(n))}, "last"))


if __name__ == "__main__":
    main()
