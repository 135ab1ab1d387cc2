"""A process is stopped while it has the lock. Others wait, learn which process it is, and lose nothing.

With the compiled engine, the holder is a forked process, run one instruction at a time until it is
stopped. With the uncompiled engine it is `holder_to_stop.py`, which stops itself before a store.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pagebuddy.sharing.forking import fork
from pagebuddy.sharing.joining import attaching
from tests.sharing.holder_to_stop import allocate
from verification.stepping import stop_inside

HOLDER = Path(__file__).with_name("holder_to_stop.py")

PAGE = 4096


class Holder:
    """A process stopped inside an allocation, a number of stores after it took the lock."""

    def __init__(self, arena, stores):
        hear, self.to_it = os.pipe()
        self.from_it, say = os.pipe()
        self.process = None
        if arena.engine == "compiled":
            self.pid = stop_inside(arena, lambda: allocate(arena, hear, say), stores)
        else:
            self.process = subprocess.Popen(
                [sys.executable, HOLDER, arena.name, str(stores)], stdin=hear, stdout=say
            )
            self.pid = self.process.pid
            _, status = os.waitpid(self.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
        os.close(hear)
        os.close(say)

    def go_on(self):
        """Continue the process. Return the offset of its buffer."""
        os.kill(self.pid, signal.SIGCONT)
        return int(os.read(self.from_it, 20))

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
        else:
            os.waitpid(self.pid, 0)
        self.pid = None

    def close(self):
        if self.pid is not None:
            self.kill()
        os.close(self.to_it)
        os.close(self.from_it)


@pytest.fixture
def arena(silent, Arena, engine, lock, name):
    arena = Arena.create(name, 32 * PAGE, lock=lock)
    return used(arena, engine, name)


def used(arena, engine, name):
    """An arena whose next allocations need no tables, whose making would be stepped through."""
    arena.engine, arena.name = engine, name
    arena.alloc(4 * PAGE).release()
    return arena


@pytest.fixture
def stop(arena):
    """Stop a process inside an allocation."""
    holders = []

    def stop(stores):
        holders.append(Holder(arena, stores))
        return holders[-1]

    yield stop
    for holder in holders:
        holder.close()


@pytest.mark.parametrize(
    "stores", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in (2, 5)), 3]
)
def test_a_timeout_names_the_process_that_has_the_lock(arena, stop, stores):
    holder = stop(stores)
    for timeout in (0, 0.01):
        with pytest.raises(TimeoutError, match=f"process {holder.pid} has it"):
            arena.alloc(PAGE, timeout=timeout)
    offset = holder.go_on()
    assert arena.alloc(PAGE, timeout=60).offset != offset
    arena.verify()


@pytest.mark.parametrize("timeout", [pytest.param(1e300, marks=pytest.mark.soak), float("inf")])
def test_a_wait_without_timeout_ends_by_a_signal(arena, stop, timeout):
    class Struck(Exception):
        pass

    def strike(*_):
        raise Struck

    def wait():
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        arena.alloc(PAGE, timeout=timeout)

    holder = stop(3)
    before = signal.signal(signal.SIGALRM, strike)
    try:
        with pytest.raises(Struck):
            wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    holder.go_on()


def test_a_wait_for_the_lock_is_counted_when_it_ends(arena, stop):
    holder = stop(3)
    for _ in range(2):
        # In vain.
        with pytest.raises(TimeoutError):
            arena.alloc(PAGE, timeout=0.001)
    before = signal.signal(signal.SIGALRM, lambda *_: holder.go_on())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        arena.alloc(PAGE, timeout=60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert arena.stats().lock_waits == 1
    arena.alloc(PAGE, timeout=60)
    assert arena.stats().lock_waits == 1


def test_a_timeout_while_attaching_names_the_process_that_has_the_lock(
    silent, start, Arena, engine, lock, name
):
    def part(child):
        child.hear()
        attaching.ATTACH_PATIENCE_S = 0.05
        try:
            child.say(Arena.attach(name).size)
        except TimeoutError as error:
            child.say(error)
        child.hear()
        child.say(Arena.attach(name).size)

    # Started first, because a process forked later would share its parent's attachment.
    child = start(part)
    arena = used(Arena.create(name, 32 * PAGE, lock=lock), engine, name)
    holder = Holder(arena, 3)
    child.say("attach")
    assert f"process {holder.pid} has it" in child.hear()
    holder.go_on()
    child.say("attach")
    assert child.hear() == str(32 * PAGE)
    holder.close()


def test_a_buffer_dropped_while_the_lock_is_taken_is_freed_later(arena, stop):
    mine = arena.alloc(5 * PAGE)
    holder = stop(3)
    del mine
    holder.go_on()
    assert [row.n_pages for row in arena.buffers() if 1 in row.holders] == []
    holder.kill()
    assert arena.reap() == 1
    assert arena.stats().used == 0
    arena.verify()


def test_of_many_buffers_that_end_meanwhile_only_the_first_waits(Arena, engine, lock, name):
    """While one waits, the process hears no Ctrl-C. If all waited, this would take minutes."""

    class TooLong(Exception):
        pass

    def strike(*_):
        raise TooLong

    arena = Arena.create(name, 4096 * PAGE, lock=lock)
    arena.engine, arena.name = engine, name
    # Only two of them fit a magazine, for which no lock is needed.
    mine = [arena.alloc(17 * PAGE) for _ in range(100)]
    holder = Holder(arena, 3)
    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 20)
    try:
        while mine:
            mine.pop()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        holder.go_on()
        holder.close()
    me = next(row.slot for row in arena.processes() if row.me)
    assert [row.n_pages for row in arena.buffers() if me in row.holders] == []
    assert arena.reap() == 1
    assert arena.stats().used == 0
    arena.verify()


@pytest.mark.parametrize(
    "stores", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in (2, 5)), 3]
)
def test_the_lock_of_a_stopped_process_is_taken_over_when_it_is_killed(arena, stop, stores):
    holder = stop(stores)
    with pytest.raises(TimeoutError):
        arena.alloc(PAGE, timeout=0)
    holder.kill()
    buffer = arena.alloc(PAGE, timeout=60)
    arena.verify()
    assert arena.reap() == 1
    assert [row.offset for row in arena.buffers()] == [buffer.offset]


def test_a_fork_while_the_lock_is_taken_shares_the_slot(
    arena, start, stop, engine, lock, monkeypatch
):
    if engine == "uncompiled":
        monkeypatch.setattr(fork, "FORK_PATIENCE_MS", 50)
    elif lock == "file":
        pytest.skip("compiled, a fork waits for ten seconds; the mutex shows it")
    mine = arena.alloc(5)
    mine.view[:] = b"hello"

    def part(child):
        child.hear()
        child.say(bytes(mine.view))  # deleted later
        child.hear()

    holder = stop(1)
    child = start(part)
    holder.go_on()
    assert [row.sticky for row in arena.processes() if row.me] == [True]
    mine = None
    holder.kill()
    assert arena.reap() == 1
    assert arena.stats().used == 1
    arena.alloc(arena.stats().largest_free_bytes).view[:5] = b"other"
    child.say("look")
    assert child.hear() == "b'hello'"
    child.say("end")
    assert child.wait() == 0


# Waiting processes, observed from outside


OPERATIONS = {
    "alloc": lambda arena: arena.alloc(PAGE),
    "alloc with a timeout": lambda arena: arena.alloc(PAGE, timeout=600),
    "alloc with none that ends": lambda arena: arena.alloc(PAGE, timeout=math.inf),
    "array": lambda arena: arena.buffer_at(0),
    "key": lambda arena: arena["mine"],
    "keep": lambda arena: arena["mine"].keep("mine", replace=True),
    "stats": lambda arena: arena.stats(),
    "buffers": lambda arena: list(arena.buffers()),
    "verify": lambda arena: arena.verify(),
    "reap": lambda arena: arena.reap(unclaimed_after=3600),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_waiting_process_reacts_to_ctrl_c(arena, start, stop, until_waiting, operation):
    def part(child):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        child.hear()
        try:
            OPERATIONS[operation](arena)
            child.say("done")
        except KeyboardInterrupt:
            child.say("interrupted")
        child.hear()
        OPERATIONS[operation](arena)
        child.say("done")

    arena.alloc(PAGE, keep="mine")
    child = start(part)
    holder = stop(3)
    child.say("go")
    until_waiting(arena, child.pid)
    os.kill(child.pid, signal.SIGINT)
    assert child.hear() == "interrupted"
    holder.go_on()
    child.say("again")
    assert child.hear() == "done"
    assert child.wait() == 0
    arena.verify()


def test_a_waiting_thread_lets_other_threads_run_and_signals_be_handled(
    arena, start, stop, until_waiting
):
    def part(child):
        def echo():
            for _ in range(3):
                child.say(child.hear())

        signal.signal(signal.SIGUSR1, lambda *_: child.say("handled"))
        child.hear()
        thread = threading.Thread(target=echo)
        thread.start()
        buffer = arena.alloc(PAGE)
        thread.join()
        child.say(buffer.offset)

    child = start(part)
    holder = stop(3)
    child.say("go")
    until_waiting(arena, child.pid)
    for word in ("one", "two", "three"):
        child.say(word)
        assert child.hear() == word
    until_waiting(arena, child.pid)
    os.kill(child.pid, signal.SIGUSR1)
    assert child.hear() == "handled"
    until_waiting(arena, child.pid)
    offset = holder.go_on()
    assert int(child.hear()) not in range(offset, offset + 3 * PAGE)
    assert child.wait() == 0


def test_a_waiting_process_can_be_ended(arena, start, stop, until_waiting):
    """By SIGTERM and by SIGKILL. Neither needs the lock, and nothing of the process is left."""
    children = [start(lambda child: (child.hear(), arena.alloc(PAGE))) for _ in range(2)]
    holder = stop(3)
    for child, number in zip(children, (signal.SIGTERM, signal.SIGKILL), strict=True):
        child.say("go")
        until_waiting(arena, child.pid)
        os.kill(child.pid, number)
        assert child.wait() == -number
    with pytest.raises(TimeoutError, match=f"process {holder.pid} has it"):
        arena.alloc(PAGE, timeout=0)
    holder.go_on()
    arena.alloc(PAGE, timeout=60)
    assert arena.reap() == 2
    arena.verify()
