"""Queues and topics in `ls` and `stat`, and the verb `tail`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from pagebuddy import Arena
from pagebuddy.arena.looking.rings import rings_of
from pagebuddy.arena.looking.snapshot import Snapshot
from pagebuddy.tools.arenas.description import as_text, as_value

SECONDS = 120

# Subscribes, has a message in hand and is killed.
DIES = """
import os, signal, sys
import pagebuddy
arena = pagebuddy.Arena.attach(sys.argv[1])
frames = arena.topic("camera").subscribe()
message = arena.queue("jobs")._channel.take()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def arena(name):
    with Arena.create(name, "8 MiB") as made:
        yield made


@pytest.fixture
def busy(arena):
    """The arena with a queue of 3 messages, and a topic of which one of two subscriptions missed 5."""
    jobs, camera = arena.queue("jobs", maxsize=64), arena.topic("camera", history=4)
    jobs.put_many([1, "two", np.zeros(1000)])
    fast, slow = camera.subscribe(), camera.subscribe()
    for number in range(9):
        camera.publish(np.full(10_000, number, "u1"))
        fast.get()
    yield arena
    del jobs, camera, fast, slow


def looked(name):
    with Snapshot(f"/dev/shm/{name}") as snapshot:
        return {row.name: row for row in rings_of(snapshot)}


def test_queues_and_topics_are_read_without_attaching(busy, name):
    rows = looked(name)
    assert list(rows) == ["jobs", "camera"]
    jobs, camera = rows["jobs"], rows["camera"]
    assert (jobs.kind, jobs.messages, jobs.limit, jobs.put, jobs.producers) == (
        "queue",
        3,
        64,
        3,
        1,
    )
    assert 8000 < jobs.n_bytes < 9000
    assert (camera.kind, camera.policy, camera.messages, camera.put) == ("topic", "drop", 4, 9)
    assert 40_000 < camera.n_bytes < 42_000
    own = (os.getpid(), rows["camera"].subscriptions[0].name)
    assert [tuple(row) for row in camera.subscriptions] == [(*own, 0, 0), (*own, 4, 5)]
    assert camera.missed == 5


def test_what_the_dead_have_is_told(busy, name, surroundings):
    done = subprocess.run(
        [sys.executable, "-c", DIES, name], env=surroundings, timeout=SECONDS, check=False
    )
    assert done.returncode == -signal.SIGKILL
    rows = looked(name)
    assert (rows["jobs"].messages, rows["jobs"].in_hand, rows["jobs"].of_dead) == (2, 1, 1)
    assert [row.pid for row in rows["camera"].subscriptions] == [os.getpid(), os.getpid(), 0]


def test_rates_are_those_since_the_last_look(busy, name):
    before = looked(name)["jobs"]
    busy.queue("jobs").put_many(range(10))
    after = looked(name)["jobs"]
    assert after.rate(before) == pytest.approx(10 / (after.looked - before.looked))
    assert after.rate() == pytest.approx(13 / (after.looked - after.created))
    # Another of this name.
    busy.queue("jobs").unlink()
    assert busy.queue("jobs").put(1) is None
    again = looked(name)["jobs"]._replace(created=after.created + 1, looked=after.created + 3)
    assert again.rate(after) == pytest.approx(1 / 2)


def test_it_is_told_what_processes_wait_for(arena, name):
    queue = arena.queue("jobs", maxsize=1)
    queue.put(1)
    queue.get()
    waiting = threading.Thread(target=queue.get)
    waiting.start()
    while looked(name)["jobs"].waiting != "message":
        pass
    queue.put(1)
    waiting.join()
    queue.put(2)
    waiting = threading.Thread(target=queue.put, args=(3,))
    waiting.start()
    while looked(name)["jobs"].waiting != "room":
        pass
    assert queue.get() == 2
    waiting.join()
    assert queue.get() == 3
    assert looked(name)["jobs"].waiting in ("", "message")


def test_handles_in_messages_are_not_unclaimed(busy, name, pagebuddy_command):
    assert busy.stats().tickets == 0
    assert "not yet claimed" not in pagebuddy_command("stat", name)[1]
    handle = busy.dumps(busy.zeros(1000))
    assert busy.stats().tickets == 1
    assert "1 handle not yet claimed" in pagebuddy_command("stat", name)[1]
    del handle


def test_ls_and_stat_print_queues_and_topics(busy, name, pagebuddy_command):
    for verb in ("ls", "stat"):
        code, text, _ = pagebuddy_command(verb, name)
        assert code == 0
        rows = {tuple(row.split()[:2]): row.split()[2:] for row in text.splitlines() if row}
        assert rows["queue", "jobs"][:3] == ["3", "of", "64"]
        assert rows["topic", "camera"][:3] == ["4", "of", "4"]
        assert rows["topic", "camera"][-1] == "5"
        assert max(len(row) for row in text.splitlines()) <= 80
    assert [row.split()[-2:] for row in text.splitlines() if row.startswith("camera ")] == [
        ["0", "0"],
        ["4", "5"],
    ]


@pytest.mark.parametrize("verb", ["ls", "stat"])
def test_json_has_queues_and_topics(busy, name, pagebuddy_command, verb):
    figures = json.loads(pagebuddy_command(verb, name, "--json")[1])
    figures = figures[0] if verb == "ls" else figures
    (jobs,), (camera,) = figures["queues"], figures["topics"]
    assert (jobs["name"], jobs["messages"], jobs["maxsize"], jobs["producers"]) == (
        "jobs",
        3,
        64,
        1,
    )
    assert (camera["name"], camera["history"], camera["policy"]) == ("camera", 4, "drop")
    assert [(row["behind"], row["missed"]) for row in camera["subscriptions"]] == [(0, 0), (4, 5)]


def test_in_a_narrow_terminal_they_are_lines(busy, name, surroundings):
    done = subprocess.run(
        [sys.executable, "-m", "pagebuddy", "stat", name],
        env=surroundings | {"COLUMNS": "50"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert "\nqueue jobs\n  3 of 64 messages, " in done.stdout
    assert "2 subscribed, 5 missed" in " ".join(done.stdout.split())


def test_a_damaged_ring_is_left_out(busy, name):
    buffer = busy._open.found("jobs", 2)
    buffer.view[:8] = bytes(8)
    assert list(looked(name)) == ["camera"]


# -- tail --------------------------------------------------------------------------------------------


@pytest.fixture
def tail(name, surroundings):
    """Start `tail`; those that still run at the end are killed."""
    started = []

    def start(*arguments):
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "pagebuddy", "tail", name, *arguments],
                env=surroundings,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_tail_prints_messages_until_the_topic_is_unlinked(arena, tail):
    topic = arena.topic("camera")
    topic.publish("one")
    topic.publish({"frame": np.zeros((3, 4)), "text": "a\x1b[2J"})
    process = tail("camera", "-n", "1")
    assert process.stdout.readline() == "{'frame': <float64 3 x 4>, 'text': 'a\\x1b[2J'}\n"
    topic.publish(b"x" * 100)
    assert process.stdout.readline() == "<100 bytes>\n"
    topic.unlink()
    assert process.communicate(timeout=SECONDS) == ("", "camera was unlinked\n")
    assert process.returncode == 0


def test_tail_prints_json_until_it_is_interrupted(arena, tail):
    topic = arena.topic("camera", history=2)
    for number in range(3):
        topic.publish([number, np.zeros(3), None])
    process = tail("camera", "-n", "9", "--json")
    lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    array = {"dtype": "float64", "shape": [3]}
    assert [line["message"] for line in lines] == [[1, array, None], [2, array, None]]
    assert [line["missed"] for line in lines] == [0, 0]
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=SECONDS) == ("", "")
    assert process.returncode == 0


def test_tail_says_what_it_missed_and_what_cannot_be_unpickled(arena, tail):
    topic = arena.topic("camera", history=2)
    topic.publish("first")
    process = tail("camera", "-n", "1")
    assert process.stdout.readline() == "'first'\n"
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    for number in range(10):
        topic.publish(number)
    topic.publish(Wrong())
    process.send_signal(signal.SIGCONT)
    told = [process.stdout.readline() for _ in range(2)]
    assert told[-1].startswith("cannot be unpickled: ValueError: ")
    topic.unlink()
    assert process.communicate(timeout=SECONDS)[1] == "missed 9\ncamera was unlinked\n"


class Wrong:
    """Cannot be unpickled."""

    def __reduce__(self):
        return int, ("x",)


def test_tail_of_no_topic_is_refused(arena, name, refused):
    arena.queue("jobs")
    assert "no topic jobs; `pagebuddy stat" in refused("tail", name, "jobs")
    assert "no topic camera" in refused("tail", name, "camera")
    arena.topic("camera")
    assert refused("tail", name, "camera", "-n", "-1")


@pytest.mark.parametrize(
    ("thing", "text", "value"),
    [
        (np.float64(2), None, 2.0),
        (float("nan"), "nan", "nan"),
        ({1: (2,), "x": {3}}, "{1: (2,), 'x': {3}}", {"1": [2], "x": "{3}"}),
        (list(range(30)), None, list(range(30))),
        (b"short", "b'short'", {"bytes": 5}),
        (memoryview(bytes(50)), "<50 bytes>", {"bytes": 50}),
        (set(), "set()", "set()"),
    ],
)
def test_objects_are_described(thing, text, value):
    assert as_value(thing) == value
    assert text in (None, as_text(thing))


def test_large_objects_are_described_in_part():
    deep = [1]
    for _ in range(100):
        deep = [deep]
    assert len(as_text(deep)) < 3000
    assert json.dumps(as_value(deep))
    assert as_text(list(range(30))).endswith("19, ... 10 more]")
    assert len(as_text("x" * 10_000)) < 2100
