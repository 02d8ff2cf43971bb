"""What holds for every test: no network, fixed seeds, few threads, shapes checked at run time."""

import os
import socket
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Before the package is imported anywhere: every annotated function of these rooms checks its shapes. The rooms that
# touch OmegaConf and Lightning are left out: those libraries' own annotations are not all ones that can be checked.
CHECKED = ("types", "blocks", "artifact", "layers", "data", "encoders", "quantizers", "decoders", "tokenizer",
           "objectives", "metrics", "store", "language")  # fmt: skip
install_import_hook([f"signaltok.{room}" for room in CHECKED], "beartype.beartype")

import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("fixed")

if os.environ.get("PYTEST_XDIST_WORKER"):
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeds() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else address
        if self.family != socket.AF_UNIX and host not in ("127.0.0.1", "::1", "localhost"):
            raise RuntimeError(f"a test reached for the network: {address}")
        connect(self, address)  # type: ignore[arg-type]

    def local_only_ex(self: socket.socket, address: object) -> int:
        local_only(self, address)
        return 0

    monkeypatch.setattr(socket.socket, "connect", local_only)
    monkeypatch.setattr(socket.socket, "connect_ex", local_only_ex)


@pytest.fixture(scope="session")
def photos() -> Path:
    return Path(__file__).parent.parent / "data" / "photos"
