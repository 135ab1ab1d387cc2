"""`wait_for` returns when something has a name: a kept buffer, an object, a queue, or a topic."""

from __future__ import annotations

import signal
import threading

import pytest

from pagebuddy import ArenaClosed


def make(arena, kind):
    """Make something called "it"."""
    if kind == "buffer":
        arena.alloc(1).keep("it")
    elif kind == "object":
        arena.objects["it"] = [1, 2]
    elif kind == "queue":
        arena.queue("it").close()
    else:
        arena.topic("it").close()


KINDS = ["buffer", "object", "queue", "topic"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_exists_is_not_waited_for(arena, kind):
    make(arena, kind)
    arena.wait_for("it")
    arena.wait_for("it", timeout=0)


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_what_does_not_exist_in_time_is_an_error(arena, timeout):
    make(arena, "topic")
    with pytest.raises(
        TimeoutError, match=f"nothing is called 'that' after {timeout} seconds; keep"
    ):
        arena.wait_for("that", timeout=timeout)
    arena.topic("it").unlink()
    with pytest.raises(TimeoutError):
        arena.wait_for("it", timeout=timeout)


@pytest.mark.parametrize("kind", KINDS)
def test_another_process_ends_the_waiting(arena, begin, kind):
    def part(child):
        child.hear()
        make(arena, kind)

    child = begin(part)
    threads = [threading.Thread(target=arena.wait_for, args=("it",), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    threads[0].join(0.05)
    assert all(thread.is_alive() for thread in threads)
    child.say("now")
    for thread in threads:
        thread.join()
    assert child.wait() == 0


def test_other_names_do_not_end_the_waiting(arena):
    thread = threading.Thread(target=arena.wait_for, args=("it",), daemon=True)
    thread.start()
    for n in range(20):
        arena.alloc(1).keep(f"it{n}")
        arena.objects[f"it{n}"] = n
    assert thread.is_alive()
    make(arena, "queue")
    thread.join()


def test_every_process_that_waits_is_woken(arena, begin):
    def part(child):
        child.say("waiting")
        arena.wait_for("it", timeout=60)
        child.say("found")

    children = [begin(part) for _ in range(3)]
    assert [child.hear() for child in children] == ["waiting"] * 3
    make(arena, "object")
    assert [child.hear() for child in children] == ["found"] * 3
    assert [child.wait() for child in children] == [0] * 3


def test_a_killed_waiter_delays_nobody(arena, begin):
    def part(child):
        child.say("waiting")
        arena.wait_for("it")

    victim, other = begin(part), begin(part)
    assert [victim.hear(), other.hear()] == ["waiting"] * 2
    victim.kill()
    make(arena, "buffer")
    assert other.wait() == 0


def test_waiting_is_interrupted_by_a_signal(arena):
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(Interrupted):  # noqa: PT012
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            arena.wait_for("it")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("key", "timeout", "error"),
    [
        ("", 0, ValueError),
        ("x" * 48, 0, ValueError),
        (5, 0, TypeError),
        ("it", -1, ValueError),
        ("it", "5", TypeError),
    ],
)
def test_what_cannot_be_waited_for_is_refused(arena, key, timeout, error):
    with pytest.raises(error):
        arena.wait_for(key, timeout=timeout)


def test_the_arena_may_be_closed(arena):
    arena.close()
    with pytest.raises(ArenaClosed):
        arena.wait_for("it", timeout=0)
