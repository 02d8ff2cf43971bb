"""What benchmarks against vector-quantize-pytorch share: options, the first line, time and memory of a call."""

import argparse
import ctypes
import gc
import time
from importlib.metadata import version
from pathlib import Path

import torch


def parser(subject: str, about: str | None, *, rounds: int) -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog=f"speed.py {subject}", description=about)
    found.add_argument("--rounds", type=int, default=rounds, help="rounds of ours; medians count")
    found.add_argument("--threads", type=int, default=2)
    found.add_argument("--json", action="store_true", help="the last line is a JSON list of the rows")
    return found


def header(threads: int, text: str) -> None:
    """Sets the threads and says what is compared."""
    torch.set_num_threads(threads)
    peers = ", ".join(f"{name} {version(name)}" for name in ("torch", "vector-quantize-pytorch"))
    print(f"{peers}; {threads} threads, {text}")


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def extra_megabytes(call) -> float:
    """Peak of the resident memory during the call, above that before it (Linux).

    The C library keeps freed memory for later; unless that is handed back first, a call that lives on it seems free.
    """
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    call()
    return max(0.0, (_status("VmHWM") - before) / 1000)


def _status(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])
