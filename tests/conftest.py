"""What every test gets: checked shapes, no network, a fixed seed, one thread a worker."""

import os
import socket
from pathlib import Path

import hypothesis
import pytest
import torch
from jaxtyping import install_import_hook

# Before anything imports the package: shapes are checked at run time in tests, and nowhere else.
install_import_hook("signaltok", "beartype.beartype")

ROOT = Path(__file__).resolve().parent.parent
LOCAL_HOSTS = ("127.", "::1", "localhost", "0.0.0.0")

hypothesis.settings.register_profile("signaltok", deadline=None, derandomize=True)
hypothesis.settings.load_profile("signaltok")

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)

# Subprocesses of tests stay offline too.
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", HF_HUB_OFFLINE="1", MPLBACKEND="agg")


class NetworkUsedError(BaseException):
    """A test reached for the network. A BaseException, so that no library can swallow it."""


def _refuse_remote(address: object) -> None:
    if isinstance(address, tuple) and not str(address[0]).startswith(LOCAL_HOSTS):
        raise NetworkUsedError(f"a test tried to connect to {address!r}; tests run without a network")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def checked_connect(self: socket.socket, address: object) -> None:
        _refuse_remote(address)
        return connect(self, address)

    def checked_connect_ex(self: socket.socket, address: object) -> int:
        _refuse_remote(address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", checked_connect_ex)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of real photographs."""
    return ROOT / "data" / "photos"
