"""Joining an arena and leaving it, and the circumstances in which there is none."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")

import dask
from distributed import Client

import pagebuddy.adapters.dask as adapter
from pagebuddy import Arena
from pagebuddy.memory.named import FOLDER
from tests.adapters.dask import on_workers

ROOT = Path(__file__).parents[3]
MIB = 1 << 20


def damaged(path):
    path.write_bytes(b"no arena" * 1000)
    return {}


def of_another_user(path):
    if os.getuid():
        pytest.skip("only root can give a file to another user")
    Arena.create(path.name, "1 MiB").close()
    os.chown(path, 12345, 12345)
    return {}


def too_large(path):
    return {"size": "1000 PiB"}


def set_to_nonsense(path):
    return {"threshold": "nonsense"}


@pytest.mark.parametrize("prepare", [damaged, of_another_user, too_large, set_to_nonsense])
def test_a_client_without_an_arena_gets_bytes_and_this_is_counted(cluster, name, prepare, on_a1):
    settings = {"arena": name, **prepare(Path(FOLDER, name))}
    before = adapter.fallbacks.counts.get("no arena", 0)
    with dask.config.set({"distributed.pagebuddy": settings}), Client(cluster) as client:
        assert adapter.fallbacks.counts["no arena"] == before + 1
        assert adapter._member is None
        made = on_a1(client, on_workers.filled, MIB, 7)
        assert client.gather(made, direct=True)[0] == 7


@pytest.fixture
def on_a1():
    def submit(client, function, *args):
        return client.submit(function, *args, workers=["a1"], pure=False)

    return submit


def test_the_reason_is_logged_once(cluster, name, caplog):
    Path(FOLDER, name).write_bytes(b"no arena" * 1000)
    adapter.fallbacks._counts.pop("no arena", None)
    with (
        caplog.at_level(logging.WARNING, "pagebuddy"),
        dask.config.set({"distributed.pagebuddy": {"arena": name}}),
    ):
        for _ in range(2):
            with Client(cluster):
                pass
    said = [each.getMessage() for each in caplog.records if each.name == "pagebuddy"]
    assert len(said) == 1
    assert "all is sent as bytes" in said[0]


def test_a_client_that_existed_before_uses_the_arena(cluster, arena_names, monkeypatch):
    monkeypatch.setattr(adapter, "__name__", "another.name")
    with (
        dask.config.set({"distributed.client.preload": []}),
        dask.config.set({"distributed.pagebuddy.arena": arena_names["a"]}),
        Client(cluster) as client,
    ):
        assert adapter._member is None
        adapter.dask_setup(client)
        made = client.submit(on_workers.filled, MIB, 7, workers=["a1"], pure=False)
        assert adapter._member.arena.buffer_of(client.gather(made, direct=True))
        adapter.dask_teardown(client)
        assert adapter._member is None


def test_a_scheduler_is_left_alone(cluster):
    adapter.dask_setup(cluster.scheduler)
    assert "pagebuddy" not in cluster.scheduler.connection_args["handshake_overrides"]
    assert adapter._member is None


def test_the_last_member_removes_the_arena_that_dask_has_made(name, monkeypatch):
    monkeypatch.setattr(adapter.os, "getuid", lambda: name)
    path = Path(FOLDER, f"dask-{name}")
    with dask.config.set({"distributed.pagebuddy": {"size": "1 MiB"}}):
        first, second = adapter._Member(), adapter._Member()
        assert first.arena_id == second.arena_id
        first.leave()
        assert path.exists()
        second.leave()
        assert not path.exists()
        third = adapter._Member()
        assert third.arena_id != first.arena_id
        third.leave()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_does_not_leave_for_its_parent(name, monkeypatch):
    monkeypatch.setattr(adapter.os, "getuid", lambda: name)
    with dask.config.set({"distributed.pagebuddy": {"size": "1 MiB"}}):
        member = adapter._Member()
        child = os.fork()
        if not child:
            member.leave()
            os._exit(0)
        assert os.waitpid(child, 0) == (child, 0)
        assert Path(FOLDER, f"dask-{name}").exists()
        member.leave()
        assert not Path(FOLDER, f"dask-{name}").exists()


def test_an_arena_that_was_named_stays(name):
    with dask.config.set({"distributed.pagebuddy": {"arena": name, "size": "1 MiB"}}):
        adapter._Member().leave()
    Arena.attach(name).close()


@pytest.mark.parametrize(
    ("before", "says"),
    [
        (
            "import sys; sys.modules['distributed'] = None",
            "pip install 'pagebuddy[dask]'",
        ),
        (
            "import distributed; distributed.__version__ = '2024.12.1'",
            "distributed 2024.12.1 is installed; pagebuddy.adapters.dask supports distributed 2025.1",
        ),
    ],
)
def test_a_framework_that_is_missing_or_too_old_is_named(before, says):
    program = f"{before}\nimport pagebuddy.adapters.dask"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: ")
    assert says in done.stderr


@pytest.mark.one_engine
def test_the_example_says_what_its_sum_is(engine):
    example = ROOT / "examples" / "dask_cluster.py"
    pure = "1" if engine == "uncompiled" else "0"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PAGEBUDDY_PURE": pure}
    done = subprocess.run(
        [sys.executable, example], capture_output=True, text=True, env=environment, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "16777216.0\n"), done.stderr
    assert len(example.read_text().splitlines()) < 25


def test_workers_are_preloaded_from_the_command_line(tmp_path, name, start_program):
    file = tmp_path / "scheduler.json"
    preload = ["--preload", "pagebuddy.adapters.dask"]
    start_program("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *preload)
    for each in ("one", "two"):
        start_program("worker", "--no-nanny", "--no-dashboard", "--name", each, *preload)
    with Client(scheduler_file=str(file)) as client:
        client.wait_for_workers(2, timeout=60)
        made = client.submit(on_workers.filled, MIB, 7, workers=["one"])
        seen = client.submit(on_workers.described, made, workers=["two"])
        assert seen.result() == (True, 7, 7, True)


@pytest.fixture
def start_program(tmp_path, name):
    running = []
    environment = os.environ | {
        "DASK_DISTRIBUTED__PAGEBUDDY__ARENA": name,
        "DASK_DISTRIBUTED__PAGEBUDDY__SIZE": "64 MiB",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
    }

    def start(kind, *arguments):
        file = tmp_path / "scheduler.json"
        program = [sys.executable, "-m", "dask", kind, "--scheduler-file", file, *arguments]
        log = open(tmp_path / f"{len(running)}.log", "w")  # noqa: SIM115
        running.append(
            subprocess.Popen(program, env=environment, cwd=tmp_path, stdout=log, stderr=log)
        )
        log.close()

    yield start
    # A worker that has lost its scheduler would look for it for a while.
    for each in reversed(running):
        each.terminate()
        try:
            each.wait(timeout=20)
        finally:
            each.kill()
            each.wait()
