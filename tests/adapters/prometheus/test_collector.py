"""Figures of arenas, as the real client of Prometheus serves and reads them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from random import Random
from urllib.request import urlopen

import pytest

prometheus_client = pytest.importorskip("prometheus_client")

from prometheus_client import CollectorRegistry, generate_latest, start_http_server  # noqa: E402
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

import pagebuddy  # noqa: E402
from pagebuddy import Arena, OutOfPages  # noqa: E402
from pagebuddy.adapters.prometheus import OTHERS, Collector  # noqa: E402
from pagebuddy.core.words import H_HIGH_WATER  # noqa: E402
from pagebuddy.memory import named  # noqa: E402
from tests.sharing.old_tickets import make_old  # noqa: E402
from verification.stepping import stop_inside  # noqa: E402

PAGE = 4096

DIES = """
import os, sys
import pagebuddy
arena = pagebuddy.Arena.attach(sys.argv[1])
buffer = arena.alloc(5000)
os.kill(os.getpid(), 9)
"""


def die(name):
    """Have a process hold a buffer in an arena and be killed."""
    environment = os.environ | {"PYTHONPATH": str(Path(pagebuddy.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", DIES, name], env=environment, timeout=60)
    assert done.returncode == -signal.SIGKILL


def parsed(text):
    """All samples of a scrape: their values by name and labels without names."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name.removeprefix("pagebuddy_"), *sample.labels.values())
            assert key not in samples
            samples[key] = sample.value
    return samples


def scraped(*arenas, **options):
    """What one scrape finds."""
    registry = CollectorRegistry()
    registry.register(Collector(*arenas, **options))
    return parsed(generate_latest(registry).decode())


def served(registry):
    """What the real client serves over HTTP."""
    server, thread = start_http_server(0, addr="localhost", registry=registry)
    try:
        with urlopen(f"http://localhost:{server.server_port}/metrics", timeout=60) as answer:
            return answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def arena(name):
    with Arena.create(name, "1 MiB") as made:
        yield made


def test_the_real_client_serves_all_figures(arena, name):
    held = [arena.alloc(5000), arena.alloc("256 KiB", keep="weights")]
    arena.objects["settings"] = {"a": 1}
    sent = arena.dumps(arena.alloc(3 * PAGE))
    make_old(arena, 5000)
    with pytest.raises(OutOfPages):
        arena.alloc("2 MiB")
    jobs, camera = arena.queue("jobs", maxsize=8), arena.topic("camera", history=4)
    jobs.put_many([1, 2, 3])
    jobs.get()
    with camera.subscribe() as fast, camera.subscribe():
        for number in range(6):
            camera.publish(number)
            if number < 5:
                fast.get()
        die(name)
        registry = CollectorRegistry()
        registry.register(Collector(name))
        found = parsed(served(registry))
    stats = arena.stats()
    assert found["arena_up", name, ""] == 1
    age = found.pop(("arena_oldest_unclaimed_handle_seconds", name))
    assert 5 <= age < 60
    expected = {
        "arena_size_bytes": 1 << 20,
        "arena_used_bytes": stats.used_bytes,
        "arena_free_bytes": stats.free_bytes,
        "arena_largest_free_bytes": stats.largest_free_bytes,
        "arena_buffers": stats.n_spans,
        "arena_max_keys": 1024,
        "arena_processes": 2,
        "arena_max_processes": 47,
        "arena_dead_processes": 1,
        "arena_unclaimed_handles": 1,
        "arena_unclaimed_bytes": 3 * PAGE,
        "arena_queues": 1,
        "arena_topics": 1,
        "arena_lock_waits_total": 0,
        "arena_failed_allocations_total": 1,
        "arena_reaped_processes_total": 0,
        "arena_expired_handles_total": 0,
    }
    assert {metric: found[metric, name] for metric in expected} == expected
    kinds = {"buffer": 1, "object": 1, "queue": 1, "topic": 1}
    assert {kind: found["arena_keys", name, kind] for kind in kinds} == kinds
    of_jobs = {"queue_messages": 2, "queue_maxsize": 8, "queue_put_total": 3}
    assert {metric: found[metric, name, "jobs"] for metric in of_jobs} == of_jobs
    of_camera = {
        "topic_messages": 4,
        "topic_history": 4,
        "topic_published_total": 6,
        "topic_subscribers": 2,
        "topic_behind": 4,
        "topic_missed": 2,
    }
    assert {metric: found[metric, name, "camera"] for metric in of_camera} == of_camera
    assert len(found) == 1 + len(expected) + len(kinds) + len(of_jobs) + len(of_camera)
    del held, sent


def test_reaped_processes_and_expired_handles_are_counted(arena, name):
    die(name)
    arena.dumps(arena.alloc(PAGE), expires=60)
    make_old(arena, 60_000)
    arena.reap()
    found = scraped(name)
    assert found["arena_reaped_processes_total", name] == 1
    assert found["arena_expired_handles_total", name] == 1
    assert found["arena_dead_processes", name] == 0


def test_a_scrape_attaches_to_nothing_and_changes_nothing(arena, name):
    held = arena.alloc(5000)
    die(name)
    before = Path("/dev/shm", name).read_bytes()
    assert scraped(name)["arena_dead_processes", name] == 1
    assert Path("/dev/shm", name).read_bytes() == before
    del held


@pytest.fixture
def folder(monkeypatch):
    """A folder of named arenas that other programs do not use: theirs may be large."""
    with tempfile.TemporaryDirectory(dir=named.FOLDER) as folder:
        monkeypatch.setattr(named, "FOLDER", folder)
        yield folder


def test_by_default_all_arenas_of_this_user_are_collected_that_are_there_then(folder, name):
    collector = Collector()
    registry = CollectorRegistry()
    registry.register(collector)

    def is_up():
        return parsed(generate_latest(registry).decode()).get(("arena_up", name, ""))

    assert is_up() is None
    with Arena.create(name, "1 MiB") as arena:
        assert is_up() == 1
        Path(folder, "text").write_text("not an arena")
        assert is_up() == 1
        arena.unlink()
        assert is_up() is None


def test_an_arena_that_was_removed_after_it_was_found_is_not_reported(name, monkeypatch):
    found = iter([(f"/dev/shm/{name}", True)])
    monkeypatch.setattr("pagebuddy.arena.looking.looks.named_arenas", lambda: found)
    assert scraped() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_by_default_those_of_other_users_are_left_out(folder, name):
    with Arena.create(name, "1 MiB"):
        os.chown(Path(folder, name), 65534, -1)
        assert scraped() == {}
        assert scraped("*")["arena_up", name, ""] == 1


def test_a_pattern_names_the_arenas_that_match(arena, name):
    assert scraped(f"{name[:-2]}*")["arena_up", name, ""] == 1
    assert scraped("no-such-*") == {}


def test_an_arena_that_cannot_be_read_does_not_hide_the_others(arena, name, tmp_path):
    (tmp_path / "text").write_text("import os")
    (tmp_path / "damaged").write_bytes(Path("/dev/shm", name).read_bytes()[:5000])
    paths = [str(tmp_path / each) for each in ("text", "damaged", "none", "a\0b")]
    closed = Arena("1 MiB")
    closed.close()
    found = scraped(*paths, f"{name}-missing", closed, name)
    assert {key[1:]: value for key, value in found.items() if key[0] == "arena_up"} == {
        (paths[0], "not an arena"): 0,
        (paths[1], "damaged"): 0,
        (paths[2], "missing"): 0,
        (paths[3], "ValueError"): 0,
        (f"{name}-missing", "missing"): 0,
        ("closed", "closed"): 0,
        (name, ""): 1,
    }
    assert ("arena_used_bytes", paths[1]) not in found
    assert ("arena_used_bytes", name) in found


def test_records_that_contradict_each_other_are_damage(arena, name):
    held = [arena.alloc(PAGE) for _ in range(3)]
    a = arena._attachment
    record = a.layout.records_at + 64
    a.memory[record] = 1 << 63 | 5 << 32 | 7
    found = scraped(name)
    assert found == {("arena_up", name, "damaged"): 0}
    a.memory[record] = 1 << 63 | 1 << 32 | 7
    del held


def test_whatever_bits_are_flipped_the_others_are_reported(arena, name, effort):
    held = [arena.alloc(PAGE * n) for n in (1, 3, 2)]
    jobs, camera = arena.queue("jobs", maxsize=4, nbytes=PAGE), arena.topic("camera")
    jobs.put(1)
    camera.publish(2)
    sent = arena.dumps(held[0])
    path = Path("/dev/shm", f"{name}-flipped")
    whole = Path("/dev/shm", name).read_bytes()
    random = Random(effort.seed)
    # The tables, and the pages of the rings.
    end = 8 * arena._attachment.layout.entries_at + 4 * PAGE
    try:
        for _ in range(effort.pick(40, 2000)):
            flipped = bytearray(whole)
            at = (
                random.randrange(64, end) if random.random() < 0.7 else random.randrange(len(whole))
            )
            flipped[at] ^= 1 << random.randrange(8)
            path.write_bytes(flipped)
            found = scraped(path.name, name)
            assert found["arena_up", name, ""] == 1
            assert any(key[:2] == ("arena_up", path.name) for key in found), (at, effort.seed)
    finally:
        path.unlink(missing_ok=True)
    del sent, camera


def test_an_arena_of_another_user_is_denied(arena, name):
    os.chmod(f"/dev/shm/{name}", 0)
    user = os.geteuid()
    # Everything is imported after this.
    scraped(name)
    if user == 0:
        # Root may read all files.
        os.seteuid(65534)
    try:
        found, by_default = scraped(name), scraped()
    finally:
        os.seteuid(user)
    assert found == {("arena_up", name, "denied"): 0}
    assert name not in [key[1] for key in by_default]


def test_a_stopped_process_with_the_lock_delays_no_scrape_and_is_reported(arena, name):
    if not pagebuddy.COMPILED:
        pytest.skip("a compiled process is stopped between two instructions")
    arena.alloc(4 * PAGE).release()
    try:
        pid = stop_inside(arena, lambda: arena.alloc(3 * PAGE), 3)
    except OSError as error:
        pytest.skip(f"child processes cannot be traced here: {error}")
    try:
        found = scraped(name)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert found["arena_up", name, "locked"] == 0
    assert found["arena_size_bytes", name] == 1 << 20
    assert scraped(name)["arena_up", name, ""] == 1


def test_thousands_of_queues_get_few_names(name):
    with Arena.create(name, "4 MiB") as arena:
        for number in range(12):
            arena.queue(f"queue-{number:02}", maxsize=2, nbytes=4096).put(number)
        arena.topic("only")
    found = scraped(name, most_names=3)
    queues = [key[2] for key in found if key[0] == "queue_messages"]
    assert queues == ["queue-00", "queue-01", "queue-02", OTHERS]
    assert found["queue_messages", name, OTHERS] == 9
    assert found["queue_maxsize", name, OTHERS] == 18
    assert found["queue_put_total", name, OTHERS] == 9
    assert found["topic_history", name, "only"] > 0
    assert found["arena_queues", name] == 12


def test_arenas_without_a_name_are_collected_if_they_are_given():
    anonymous, given = Arena("1 MiB"), Arena.over(bytearray(1 << 20))
    held = anonymous.alloc(5000), given.alloc(PAGE)
    found = scraped(anonymous, given)
    names = [key[1] for key in found if key[0] == "arena_up"]
    assert len(set(names)) == 2
    assert [found["arena_used_bytes", each] for each in names] == [2 * PAGE, PAGE]
    del held


def test_an_arena_is_collected_that_has_lost_its_name(name):
    with Arena.create(name, "1 MiB") as arena:
        arena.unlink()
        assert scraped(arena)["arena_up", name, ""] == 1
        # One name is reported once.
        found = scraped(arena, name)
        assert [key for key in found if key[0] == "arena_up"] == [("arena_up", name, "")]


def test_what_cannot_be_looked_at_in_time_is_late(arena, name):
    assert scraped(name, timeout=0) == {("arena_up", name, "late"): 0}
    assert scraped(name, timeout=None)["arena_up", name, ""] == 1


def test_an_arena_that_is_too_large_for_the_time_does_not_delay_the_others(name):
    """From the header it is known how many pages were ever used."""
    other = Arena("1 MiB")
    with Arena.create(f"{name}-large", "64 GiB") as large:
        words = large._attachment.memory
        place = large._attachment.layout.metadata_at + H_HIGH_WATER
        was, words[place] = words[place], large._attachment.layout.n_pages
        try:
            found = scraped(large, other, timeout=1)
        finally:
            words[place] = was
            large.unlink()
    ups = {key[2]: value for key, value in found.items() if key[0] == "arena_up"}
    assert ups == {"late": 0, "": 1}


def test_two_scrapes_at_once(arena, name):
    held = arena.alloc(5000)
    registry = CollectorRegistry()
    registry.register(Collector(name))
    begin, found = threading.Barrier(4), []

    def scrape():
        begin.wait(60)
        found.extend(
            parsed(generate_latest(registry).decode())["arena_buffers", name] for _ in "12"
        )

    threads = [threading.Thread(target=scrape) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
    del held


def test_a_scrape_logs_once_that_an_arena_is_nearly_full(arena, name, caplog):
    held = arena.alloc("1000 KiB")
    for _ in range(2):
        scraped(name)
    [record] = caplog.records
    assert record.getMessage().startswith(
        f"arena {name} is 97 % full: 1000 KiB of 1 MiB are in use"
    )
    del held
    scraped(name)
    held = arena.alloc("1000 KiB")
    scraped(name)
    assert len(caplog.records) == 2
    del held


def test_registering_looks_at_nothing_and_names_are_registered_once(name):
    registry = CollectorRegistry()
    registry.register(Collector(name))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(Collector())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((5,), TypeError, "must be an Arena, or text"),
        (("two words",), ValueError, "name is 'two words'"),
        (("",), ValueError, "name is ''"),
    ],
)
def test_wrong_arenas_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        Collector(*arguments)


def test_wrong_limits_are_refused():
    with pytest.raises(ValueError, match="most_names is -1"):
        Collector(most_names=-1)
    with pytest.raises(TypeError, match="most_names is '5'"):
        Collector(most_names="5")
    with pytest.raises(ValueError, match="timeout is -1"):
        Collector(timeout=-1)
    with pytest.raises(TypeError, match="timeout is '5'"):
        Collector(timeout="5")


def imported_with(folder):
    """What an import of the adapter says if the client is found in a folder."""
    script = "import pagebuddy.adapters.prometheus"
    path = os.pathsep.join([str(folder), str(Path(pagebuddy.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stderr.splitlines()[-1]


def test_without_the_client_the_import_says_what_to_install(tmp_path):
    (tmp_path / "prometheus_client.py").write_text("raise ImportError('none')")
    assert imported_with(tmp_path) == (
        "ImportError: pagebuddy.adapters.prometheus needs prometheus_client; install it: "
        "pip install 'pagebuddy[prometheus]'"
    )


def test_with_an_old_client_the_import_says_which_is_supported(tmp_path):
    client = tmp_path / "prometheus_client"
    client.mkdir()
    (client / "__init__.py").write_text("")
    (client / "registry.py").write_text("")
    (client / "core.py").write_text("CounterMetricFamily = GaugeMetricFamily = object")
    about = tmp_path / "prometheus_client-0.18.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: prometheus_client\nVersion: 0.18.0\n")
    assert imported_with(tmp_path) == (
        "ImportError: prometheus_client 0.18.0 is too old for pagebuddy.adapters.prometheus, which "
        "supports 0.20 and later: pip install 'pagebuddy[prometheus]'"
    )
