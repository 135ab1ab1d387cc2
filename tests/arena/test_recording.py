"""What `arena.record` writes: every buffer that this process holds, whole whatever happens."""

from __future__ import annotations

import gc
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy.allocator.ranges import PageRanges
from pagebuddy.sharing.words import TAPE_BYTES, TAPE_LINE
from pagebuddy.tools.replaying.replay import replay
from pagebuddy.tools.traces.trace import Trace

PAGE = 4096


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trace.csv"


def of_kind(Arena, kind):
    """An arena with a kind of lock, or in memory of this process alone, without one."""
    if kind == "none":
        return Arena.over(bytearray(16 << 20))
    if kind == "mutex" and Arena._engine.__name__.endswith("uncompiled"):
        pytest.skip("uncompiled there is no mutex")
    return Arena("16 MiB", lock=kind)


@pytest.fixture(params=["mutex", "file"])
def arena(request, Arena):
    """An arena with each kind of lock."""
    return of_kind(Arena, request.param)


@pytest.fixture(params=["mutex", "file", "none"])
def any_arena(request, Arena):
    """The same, and one without a lock, whose buffers lie elsewhere."""
    return of_kind(Arena, request.param)


def lines(path):
    """The events in a recording, and its notes."""
    text = Path(path).read_text()
    assert text.startswith("op,id,bytes\n")
    assert text.endswith("\n")
    return [line for line in text.splitlines()[1:] if line]


def replayed(path, n_pages=1 << 12):
    return replay(Trace(path), PageRanges([(0, n_pages)]))


def run(engine, program, path):
    """Run a program that records into a path, as a process of its own."""
    environment = dict(os.environ, PYTHONPATH=str(Path(pagebuddy.__file__).parents[0]))
    environment["PAGEBUDDY_PURE"] = "1" if engine == "uncompiled" else ""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_allocation_and_free_is_a_line(arena, path):
    with arena.record(path) as recording:
        first = arena.alloc(1)
        second = arena.alloc("1 MiB")
        at = second.offset // PAGE
        del first
        array = arena.zeros(10_000, "u1")
        array_at = arena.buffer_of(array).offset // PAGE
        del second
        del array
    assert lines(path) == [
        "alloc,0,1",
        f"alloc,{at},1048576",
        "free,0,",
        f"alloc,{array_at},10000",
        f"free,{at},",
        f"free,{array_at},",
    ]
    assert (recording.events, recording.lost, recording.stopped) == (6, 0, True)


def test_a_resize_is_a_free_and_an_allocation(arena, path):
    with arena.record(path):
        buffer = arena.alloc(100)
        assert buffer.resize(3 * PAGE)
        assert buffer.resize(2 * PAGE)
        assert buffer.resize(2 * PAGE - 1), "within its pages: no event"
        behind = arena.alloc(1)
        assert not buffer.resize("16 MiB"), "behind it is another: no event"
        del buffer
    assert lines(path) == [
        "alloc,0,100",
        *("free,0,", "alloc,0,12288"),
        *("free,0,", "alloc,0,8192"),
        f"alloc,{behind.offset // PAGE},1",
        "free,0,",
    ]


def test_a_kept_buffer_that_is_resized_within_its_pages_is_no_event(arena, path):
    buffer = arena.alloc(100)
    buffer.keep("a")
    with arena.record(path):
        assert buffer.resize(200)
    assert lines(path) == ["alloc,0,4096"]


def test_what_is_held_already_comes_first(arena, path):
    held = [arena.alloc(5000), arena.alloc(PAGE)]
    assert [buffer.offset // PAGE for buffer in held] == [0, 2]
    arena.alloc(1).keep("of nobody's")
    with arena.record(path):
        del held[0]
        del held[0]
    assert lines(path) == ["alloc,0,8192", "alloc,2,4096", "free,0,", "free,2,"]


def test_much_that_is_held_already_is_recorded_in_stretches(Arena, path):
    n = TAPE_BYTES // TAPE_LINE + 1000
    arena = Arena(n * 64, page_size=64)
    held = [arena.alloc(1) for _ in range(n)]
    with arena.record(path) as recording:
        assert recording.events == n
        del held
    assert (recording.events, recording.lost) == (2 * n, 0)
    assert replayed(path, 1 << 16).peak.used == n


def test_one_buffer_with_many_objects_is_held_once(arena, path):
    with arena.record(path) as recording:
        buffer = arena.alloc(1)
        again = arena.buffer_at(buffer.offset)
        view = buffer.view
        del buffer, again
        assert recording.events == 1
        del view
    assert lines(path) == ["alloc,0,1", "free,0,"]


def test_what_is_kept_is_held_while_this_process_has_it(arena, path):
    with arena.record(path):
        arena.alloc(70).keep("a")
        found = arena["a"]
        del found
    assert lines(path) == ["alloc,0,70", "free,0,", "alloc,0,70", "free,0,"]
    assert arena.stats().used == 1


def test_a_claimed_handle_is_an_allocation_here(Arena, path):
    arena = Arena("1 MiB")
    handle = pickle.dumps(arena.alloc(9000))
    with arena.record(path):
        claimed = pickle.loads(handle)
        del claimed
    assert lines(path) == ["alloc,0,9000", "free,0,"]


def test_the_replay_has_the_figures_of_the_arena(any_arena, path):
    arena = any_arena
    dice = random.Random(4)
    held, peak = [], 0
    with arena.record(path):
        for _ in range(2000):
            if held and dice.random() < 0.5:
                held.pop(dice.randrange(len(held)))
            else:
                held.append(arena.alloc(dice.randint(1, 20_000)))
            peak = max(peak, sum(buffer.capacity for buffer in held))
    result = replayed(path)
    assert result.peak.used == peak // PAGE
    assert result.end.used == arena.stats().used
    assert result.asked_in_end == sum(buffer.nbytes for buffer in held)
    assert (result.failures, result.skipped_allocs, result.skipped_frees, result.lost) == (0,) * 4


def test_threads_are_recorded_in_the_order_of_the_lock(any_arena, path):
    arena = any_arena
    barrier = threading.Barrier(4)

    def work():
        barrier.wait()
        for _ in range(500):
            held = [arena.alloc(1) for _ in range(3)]
            del held

    with arena.record(path) as recording:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    result = replayed(path)
    assert recording.events == result.events == 4 * 500 * 6
    assert (result.skipped_allocs, result.skipped_frees, result.end.used) == (0, 0, 0)


@pytest.mark.one_engine
def test_memory_is_bounded_and_blocks_are_whole_lines(arena, path):
    n = TAPE_BYTES // len("alloc,0,12345\nfree,0,\n") * 2
    with arena.record(path) as recording:
        for _ in range(n):
            arena.alloc(12345)
    assert (recording.events, recording.lost) == (2 * n, 0)
    data = path.read_bytes()
    assert len(data) > 2 * TAPE_BYTES
    assert all(data[at - 1] == ord("\n") for at in range(PAGE, len(data), PAGE))
    assert len(lines(path)) == 2 * n


def test_a_process_that_is_killed_leaves_whole_lines(engine, path):
    done = run(
        engine,
        "import os, signal, sys, pagebuddy\n"
        "arena = pagebuddy.Arena('1 MiB')\n"
        "arena.record(sys.argv[1])\n"
        "for _ in range(5000): arena.alloc(1)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        path,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    found = lines(path)
    assert 10_000 - PAGE // len("free,0,\n") <= len(found) < 10_000
    assert set(found) == {"alloc,0,1", "free,0,"}
    assert replayed(path).events == len(found)


def test_a_process_that_just_ends_leaves_all(engine, path):
    done = run(
        engine,
        "import sys, pagebuddy\n"
        "arena = pagebuddy.Arena('1 MiB')\n"
        "arena.record(sys.argv[1])\n"
        "held = arena.alloc(1)\n",
        path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(path) == ["alloc,0,1"]


def test_a_forked_child_does_not_record(engine, path):
    done = run(
        engine,
        "import os, sys, pagebuddy\n"
        "arena = pagebuddy.Arena('1 MiB')\n"
        "with arena.record(sys.argv[1]) as recording:\n"
        "    held = arena.alloc(1)\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        assert recording.stopped\n"
        "        for _ in range(1000): arena.alloc(2)\n"
        "        recording.stop()\n"
        "        arena.record(sys.argv[1] + '.child').stop()\n"
        "        sys.exit()\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    del held\n",
        path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(path) == ["alloc,0,1", "free,0,"]
    assert lines(f"{path}.child") == ["alloc,0,4096"]


def test_a_child_that_lives_on_keeps_nobody_from_recording(engine, path):
    done = run(
        engine,
        "import os, sys, pagebuddy\n"
        "arena = pagebuddy.Arena('1 MiB')\n"
        "with arena.record(sys.argv[1]):\n"
        "    ours, theirs = os.pipe()\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        os.close(theirs)\n"
        "        os.read(ours, 1)\n"
        "        os._exit(0)\n"
        "arena.record(sys.argv[1]).stop()\n"
        "os.close(theirs)\n"
        "assert os.waitpid(child, 0)[1] == 0\n",
        path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_ends_the_recording_and_nothing_else(engine, path):
    done = run(
        engine,
        "import errno, resource, sys, pagebuddy\n"
        "arena = pagebuddy.Arena('1 MiB')\n"
        "recording = arena.record(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_003, 10_003))\n"
        "for _ in range(2000): arena.alloc(1)\n"
        "assert arena.stats().used == 0\n"
        "assert recording.lost > 0\n"
        "try:\n"
        "    recording.stop()\n"
        "except OSError as error:\n"
        "    assert error.errno == errno.EFBIG, error\n"
        "    print(error)\n"
        "assert recording.stopped\n",
        path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "its first 8192 bytes are complete" in done.stdout
    assert set(lines(path)) == {"alloc,0,1", "free,0,"}


def test_it_ends_once(arena, path):
    recording = arena.record(path)
    recording.stop()
    recording.stop()
    arena.alloc(1)
    assert lines(path) == []
    assert repr(recording) == f"<ArenaRecording to '{path}', 0 events, stopped>"


class Traced:
    """Calls a function once, at the n-th line of the recording's code that this thread runs."""

    def __init__(self, n, call):
        self.left = n
        self.call = call

    def __call__(self, frame, event, _):
        if frame.f_code.co_filename.endswith("arena/recording.py"):
            if event == "line":
                self.left -= 1
                if self.left == 0:
                    self.call()
            return self
        return None


def test_it_ends_once_if_a_signal_handler_stops_it_at_any_line(Arena, path):
    """The descriptor is closed once: its number may mean another file by then."""
    n, reached = 0, True
    while reached:
        n, reached = n + 1, False
        recording = Arena("1 MiB").record(path)
        opened = []

        def stop(recording=recording, opened=opened):
            nonlocal reached
            reached = True
            recording.stop()
            # These take the number as soon as it is free.
            opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(3))

        before = sys.gettrace()
        sys.settrace(Traced(n, stop))
        try:
            recording.stop()
        finally:
            sys.settrace(before)
        for fd in opened:
            os.close(fd)
        assert recording.stopped
        assert lines(path) == []


def test_it_ends_once_if_threads_stop_it(Arena, path, effort):
    """All of them return after the file is complete."""
    arena = Arena("1 MiB")
    failures = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(effort.pick(100, 3000)):
            recording = arena.record(path)
            arena.alloc(1).release()
            together = threading.Barrier(3)

            def stop(recording=recording, together=together):
                together.wait()
                try:
                    recording.stop()
                    # A descriptor that is closed twice is this one, sooner or later.
                    with open(path) as file:
                        assert len(file.readlines()) == 3
                except BaseException as error:
                    failures.append(error)

            threads = [threading.Thread(target=stop) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert failures == []


@pytest.mark.alone
def test_it_outlives_the_arena_object_and_lets_the_arena_go_when_it_ends(Arena, path):
    gc.collect()
    n_open = len(os.listdir("/proc/self/fd"))
    arena = Arena("1 MiB")
    recording = arena.record(path)
    buffer = arena.alloc(1)
    arena.close()
    del buffer
    recording.stop()
    del arena, recording
    gc.collect()
    assert lines(path) == ["alloc,0,1", "free,0,"]
    assert len(os.listdir("/proc/self/fd")) == n_open


def test_one_file_has_one_recording(Arena, arena, path):
    with arena.record(path):
        other = Arena("1 MiB")
        with pytest.raises(ValueError, match="another recording writes to"):
            other.record(path)
        with pytest.raises(ValueError, match="this process is recording this arena already"):
            arena.record(f"{path}2")
        arena.alloc(1)
    with other.record(path):
        pass
    assert lines(path) == []


def test_a_path_that_is_no_file_is_refused(arena, path, tmp_path):
    with pytest.raises(ValueError, match=r"compress it afterwards"):
        arena.record(f"{path}.gz")
    with pytest.raises(ValueError, match="is not a regular file"):
        arena.record(os.devnull)
    with pytest.raises(IsADirectoryError):
        arena.record(tmp_path)
    with pytest.raises(FileNotFoundError):
        arena.record(tmp_path / "none" / "trace.csv")
    arena.record(path).stop()


def test_lost_lines_are_noted(path):
    path.write_text("op,id,bytes\nalloc,1,5\n# lost 7\n")
    assert replayed(path).lost == 7
