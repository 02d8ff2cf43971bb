"""The store is the same to the bit whatever computes it, and however many; a lost worker loses nothing complete."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from opener import KEYS, Opener, fill_by
from stores import contents, fill

from signaltok.store.engines import InProcess, LocalProcesses, in_order, read_ahead
from signaltok.store.plan import Failure
from signaltok.store.ray_engine import RayWorkers

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def importable():
    """Workers are processes of their own, which look for these tests where PYTHONPATH says."""
    before = os.environ.get("PYTHONPATH")
    package = HERE.parents[1] / "tokenizers"
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), str(package), *([before] if before else [])])
    yield
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    fill(folder, keys=KEYS, shard_items=5)
    return contents(folder)


def test_in_this_process(tmp_path, alone):
    fill_by(tmp_path / "tokens", InProcess(Opener()))
    assert contents(tmp_path / "tokens") == alone


def test_the_next_key_is_read_while_an_item_is_computed_and_no_more():
    keys = ["a", "b", "c", "d"]
    reads = {key: threading.Event() for key in keys}

    def reader(key: str) -> Callable[[], Failure]:
        reads[key].set()
        return partial(compute, key)

    def compute(key: str) -> Failure:
        assert all(reads[other].wait(10) for other in keys[: keys.index(key) + 2])
        return Failure(key=key, reason="")

    results = read_ahead(reader, keys)
    assert next(results).key == "a" and not reads["c"].is_set()
    assert [result.key for result in results] == ["b", "c", "d"]
    assert list(read_ahead(reader, [])) == []


def test_two_processes_one_of_which_is_killed_and_the_same_command_again(tmp_path, alone):
    with pytest.raises(OSError, match=r"a worker process ended .*the same command goes on"):
        fill_by(tmp_path / "tokens", LocalProcesses(Opener(kill="08.png"), workers=2))
    assert not (tmp_path / "tokens" / "index.json").exists()
    fill_by(tmp_path / "tokens", LocalProcesses(Opener(), workers=2))
    assert contents(tmp_path / "tokens") == alone


def test_what_a_worker_says_of_the_user_s_mistake_reaches_the_user(tmp_path):
    with pytest.raises(ValueError, match=r"03\.png cannot be encoded"):
        fill_by(tmp_path / "tokens", LocalProcesses(Opener(refuse="03.png"), workers=1))


@pytest.mark.parametrize("engine", [LocalProcesses, RayWorkers])
def test_fewer_than_one_worker_is_refused(engine):
    with pytest.raises(ValueError, match="at least one worker, got 0"):
        engine(Opener(), workers=0)


def test_tasks_are_handed_out_a_few_ahead_and_taken_in_order():
    handed, most = [], 0

    def start(task):
        handed.append(task)
        return lambda: list(task)

    taken = []
    for result in in_order(2, (str(n) for n in range(100)), start):
        taken.append(result)
        most = max(most, 4 * len(handed) - len(taken))
    assert taken == [str(n) for n in range(100)] and most <= 4 * 6


# A process that is killed with signal 9 closes nothing; its workers have to notice by themselves.
ORPHANS = """
import os, sys, time
from opener import Opener
from signaltok.store.engines import LocalProcesses
if __name__ == "__main__":
    engine = LocalProcesses(Opener(), workers=1)
    next(engine.results(["00.png"]))
    print(*engine.pool._processes, flush=True)
    time.sleep(600)
"""


def test_workers_end_with_a_killed_parent(tmp_path):
    (tmp_path / "orphans.py").write_text(ORPHANS)
    process = subprocess.Popen([sys.executable, tmp_path / "orphans.py"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()


RAY = """
import socket, sys
from pathlib import Path
connect = socket.socket.connect
def local_only(self, address):
    host = address[0] if isinstance(address, tuple) else address
    if self.family != socket.AF_UNIX and host not in ("127.0.0.1", "::1", "localhost"):
        raise RuntimeError(f"Ray reached for the network: {address}")
    connect(self, address)
socket.socket.connect = local_only
from opener import Opener, fill_by
from signaltok.store.plan import Failure
from signaltok.store.ray_engine import RayWorkers
fill_by(Path(sys.argv[1]), RayWorkers(Opener(), workers=2))
import ray
from ray._common.usage.usage_lib import usage_stats_enabled
print(ray.is_initialized(), usage_stats_enabled())
"""


@pytest.mark.slow  # a cluster of five processes, which gives itself 15 s to start
def test_ray_gives_the_same_store_and_reports_to_nobody(tmp_path, alone):
    """In a process of its own: Ray leaves threads and handlers behind. There the network is blocked as in this one."""
    pytest.importorskip("ray")
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment["RAY_gcs_server_port_wait_time_s"] = "120"  # other tests take the cores meanwhile
    done = subprocess.run(
        [sys.executable, "-c", RAY, str(tmp_path / "tokens")], capture_output=True, text=True, env=environment
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["False", "False"]
    assert contents(tmp_path / "tokens") == alone


class StandIn(ModuleType):
    """What RayWorkers asks of Ray, in this process: actors that compute when they are asked for what they gave."""

    def __init__(self, *, running=False):
        super().__init__("ray")
        self.running, self.told, self.actors, self.killed = running, {}, [], 0
        self.exceptions = SimpleNamespace(
            RayActorError=type("RayActorError", (Exception,), {}), RayTaskError=type("RayTaskError", (Exception,), {})
        )

    def is_initialized(self):
        return self.running

    def init(self, **told):
        self.running, self.told = True, told

    def shutdown(self):
        self.running = False

    def remote(self, *, num_cpus):
        assert num_cpus == 1

        def build(cls):
            def make(*arguments):
                self.actors.append(cls(*arguments))
                actor = self.actors[-1]
                return SimpleNamespace(computed=SimpleNamespace(remote=lambda task: lambda: actor.computed(task)))

            return SimpleNamespace(remote=make)

        return build

    def kill(self, actor):
        self.killed += 1

    def get(self, reference):
        try:
            return reference()
        except ValueError as error:
            found = self.exceptions.RayTaskError(str(error))
            found.cause = error
            raise found from None


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # what is set for Ray is not left behind

    def put(**how):
        module = StandIn(**how)
        monkeypatch.setitem(sys.modules, "ray", module)
        return module

    return put


def test_actors_give_the_same_store_in_a_cluster_of_their_own(tmp_path, alone, stand_in):
    ray = stand_in()
    fill_by(tmp_path / "tokens", RayWorkers(Opener(), workers=3))
    assert contents(tmp_path / "tokens") == alone
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert ray.told["address"] == "local" and ray.told["num_cpus"] == 3 and ray.told["include_dashboard"] is False
    assert len(ray.actors) == ray.killed == 3 and not ray.is_initialized()


def test_a_cluster_that_is_there_is_used_and_goes_on(tmp_path, alone, stand_in, monkeypatch):
    ray = stand_in(running=True)
    fill_by(tmp_path / "one", RayWorkers(Opener(), workers=2))
    assert ray.told == {} and ray.is_initialized() and ray.killed == 2
    ray = stand_in()
    monkeypatch.setenv("RAY_ADDRESS", "host:6379")
    fill_by(tmp_path / "two", RayWorkers(Opener(), workers=2))
    assert ray.told["address"] == "host:6379" and "num_cpus" not in ray.told
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == alone


def test_what_an_actor_says_and_an_actor_that_dies(tmp_path, stand_in, monkeypatch):
    ray = stand_in()
    with pytest.raises(ValueError, match=r"03\.png cannot be encoded"):
        fill_by(tmp_path / "tokens", RayWorkers(Opener(refuse="03.png"), workers=2))
    assert not ray.is_initialized()
    ray = stand_in()

    def died(reference):
        raise ray.exceptions.RayActorError("the actor died")

    monkeypatch.setattr(ray, "get", died)
    with pytest.raises(OSError, match=r"a worker process ended .*Ray says: the actor died"):
        fill_by(tmp_path / "other", RayWorkers(Opener(), workers=2))


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"--engine ray needs Ray: pip install 'signaltok\[cluster\]'"):
        RayWorkers(Opener(), workers=1)
