"""The examples do what they say, each in processes of its own, compiled and uncompiled."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy

pytest.importorskip("numpy")

EXAMPLES = Path(__file__).parents[1] / "examples"

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="arenas are shared on Linux alone")


@pytest.fixture
def run(engine):
    """Run an example to its end: its status, what it prints, and what it complains about."""
    environment = dict(os.environ, PYTHONPATH=str(Path(pagebuddy.__file__).parents[1]))
    environment["PAGEBUDDY_PURE"] = "1" if engine == "uncompiled" else "0"

    def run(example, *arguments):
        finished = subprocess.run(
            [sys.executable, "-W", "error", EXAMPLES / f"{example}.py", *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return finished.returncode, finished.stdout.splitlines(), finished.stderr

    return run


@on_linux
def test_workers_fill_one_array_in_place(run):
    status, printed, complaints = run("anonymous")
    assert (status, complaints) == (0, "")
    first, last = printed
    assert first == "4 workers filled 9600000 bytes; the last row is 34.627"
    assert last == "0 bytes in use"


@on_linux
def test_strangers_meet_by_name_and_key(run):
    name = f"pagebuddy-examples-{secrets.token_hex(8)}"
    try:
        status, _, complaints = run("named", name, "read")
        assert (status, complaints) == (
            1,
            "there is no array named weights yet: run `write` first\n",
        )
        for _ in range(2):
            assert run("named", name, "write") == (0, ["kept 8000000 bytes as weights"], "")
            assert run("named", name, "read") == (0, ["1000000 numbers up to 1.0"], "")
    finally:
        assert run("named", name, "remove") == (0, ["removed"], "")
    assert not Path("/dev/shm", name).exists()


@on_linux
def test_a_store_survives_its_runs(run, tmp_path):
    store = tmp_path / "store.pb"
    assert run("file", store) == (0, ["kept run 1; 4096 bytes in use"], "")
    found = ["run 1: 1000 values up to 999"]
    assert run("file", store) == (0, [*found, "kept run 2; 12288 bytes in use"], "")
    found.append("run 2: 2000 values up to 1999")
    assert run("file", store) == (0, [*found, "kept run 3; 24576 bytes in use"], "")


@on_linux
def test_a_web_service_whose_workers_come_and_crash(engine):
    name = f"pagebuddy-examples-{secrets.token_hex(8)}"
    environment = dict(os.environ, PYTHONPATH=str(Path(pagebuddy.__file__).parents[1]))
    environment["PAGEBUDDY_PURE"] = "1" if engine == "uncompiled" else "0"

    def start(*arguments):
        program = [sys.executable, "-W", "error", EXAMPLES / "async_service.py", name, *arguments]
        return subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True)

    started = [start("serve", "0")]
    try:
        port = int(started[0].stdout.readline().split()[-1])

        def asked(n):
            client = socket.create_connection(("127.0.0.1", port), timeout=60)
            client.sendall(f"GET /{n} HTTP/1.0\r\n\r\n".encode())
            return client

        def answer(client):
            with client, client.makefile() as lines:
                return lines.read().split("\n")

        clients = [asked(n) for n in range(20)]
        started.append(start("work"))
        wanted = [sum(i * i for i in range(n)) for n in range(20)]
        assert [answer(client) for client in clients] == [
            ["HTTP/1.0 200 OK", "", str(n), ""] for n in wanted
        ]
        started[1].kill()
        started[1].wait(60)
        client = asked(4)
        started.append(start("work"))
        assert answer(client)[2] == "14"
    finally:
        for each in started:
            each.kill()
            each.communicate(timeout=60)
        pagebuddy.Arena.attach(name).unlink()


@pytest.fixture
def start(engine):
    """Start examples, which print to pipes; those that still run at the end are killed."""
    environment = dict(os.environ, PYTHONPATH=str(Path(pagebuddy.__file__).parents[1]))
    environment["PAGEBUDDY_PURE"] = "1" if engine == "uncompiled" else "0"
    started = []

    def start(example, *arguments):
        command = [sys.executable, "-W", "error", EXAMPLES / f"{example}.py", *map(str, arguments)]
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def arena_name():
    name = f"pagebuddy-examples-{secrets.token_hex(8)}"
    yield name
    Path("/dev/shm", name).unlink()


@on_linux
def test_each_viewer_gets_each_frame(run, start, arena_name):
    viewers = [start("camera", arena_name, "view", 12) for _ in range(3)]
    for viewer in viewers:
        assert viewer.stdout.readline() == "waiting for the camera\n"
    assert run("camera", arena_name, "film", 12) == (0, ["filmed 12 frames"], "")
    for viewer in viewers:
        last = viewer.communicate(timeout=120)[0].splitlines()[-1]
        assert last.startswith("frame 11 of 307200 bytes; ")
        assert viewer.returncode == 0


@on_linux
def test_evaluators_come_and_go(run, start, arena_name):
    early = start("weights", arena_name, "evaluate", 1)
    assert run("weights", arena_name, "train", 5) == (0, ["trained 5 steps"], "")
    assert early.communicate(timeout=120)[0].startswith("step ")
    assert early.returncode == 0
    late = run("weights", arena_name, "evaluate", 1)
    assert late == (0, ["step 4: error 0.0312, 0 missed"], "")


@on_linux
def test_jobs_are_done_until_all_who_put_them_are_gone(run, start, arena_name):
    workers = [start("jobs", arena_name, "work") for _ in range(2)]
    assert run("jobs", arena_name, "put", 20) == (0, ["put 20 jobs"], "")
    printed = [worker.communicate(timeout=120)[0].splitlines() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    done = sorted(line for lines in printed for line in lines[:-1])
    assert done == sorted(f"job {number}: {number}" for number in range(20))
    told = [f"did {len(lines) - 1} jobs; all who put jobs are gone" for lines in printed]
    assert [lines[-1] for lines in printed] == told


@pytest.mark.parametrize("example", ["named", "file", "camera", "weights", "jobs", "async_service"])
def test_an_example_called_wrongly_says_how(run, example):
    status, printed, complaints = run(example)
    assert (status, printed) == (1, [])
    assert f"python examples/{example}.py" in complaints


def test_examples_are_short():
    for example in EXAMPLES.glob("*.py"):
        assert len(example.read_text().splitlines()) < 40, example.name
