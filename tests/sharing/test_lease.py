"""Leases of real processes: when they exist and when they end."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import threading
from pathlib import Path

import pytest

from pagebuddy.sharing.system.lease import (
    any_is_taken,
    attaching,
    is_taken,
    probe,
    take,
)

THREAD_EXIT = {"x86_64": 60, "aarch64": 93}


def counts():
    """Return the numbers of this process's descriptors and file mappings.

    Other mappings are not counted: they depend on the interpreter's allocator.
    """
    maps = Path("/proc/self/maps").read_text().splitlines()
    return len(os.listdir("/proc/self/fd")), sum("/" in line for line in maps)


# One process


def test_a_lease_is_taken_and_released(fd):
    assert not is_taken(fd, 1)
    taken = take(fd, 1)
    assert is_taken(fd, 1)
    assert take(fd, 1) is None
    assert is_taken(fd, 1)
    taken.release()
    assert not is_taken(fd, 1)
    taken.release()
    again = take(fd, 1)
    assert again is not None
    again.release()


def test_a_lease_stays_when_its_object_is_dropped(fd):
    take(fd, 2)
    assert is_taken(fd, 2)
    assert take(fd, 2) is None


def test_leases_of_neighbouring_slots_are_independent(fd):
    n_slots = 200
    leases = {slot: take(fd, slot) for slot in range(0, n_slots, 2)}
    assert [is_taken(fd, slot) for slot in range(n_slots)] == [True, False] * (n_slots // 2)
    for slot, taken in leases.items():
        taken.release()
        assert not is_taken(fd, slot)
        assert any_is_taken(fd, n_slots) is (slot != n_slots - 2)


def test_any_is_taken_finds_the_last_slot_and_none_behind_it(fd):
    taken = take(fd, 47)
    assert any_is_taken(fd, 48)
    assert not any_is_taken(fd, 47)
    taken.release()
    assert not any_is_taken(fd, 48)


@pytest.mark.parametrize("slot", [-1, 1 << 16])
def test_an_invalid_slot_raises_value_error(fd, slot):
    for ask in (take, is_taken):
        with pytest.raises(ValueError, match="slot"):
            ask(fd, slot)


@pytest.mark.alone
def test_many_leases_leave_no_descriptors_or_mappings(fd, effort):
    before = counts()
    mine = take(fd, 0)
    for _ in range(effort.pick(30, 1000)):
        take(fd, 1).release()
        assert take(fd, 0) is None
        with attaching(fd):
            pass
        assert probe(fd) is None
    mine.release()
    assert counts() == before
    assert not any_is_taken(fd, 48)


@pytest.mark.alone
def test_without_a_free_descriptor_no_lease_is_taken(fd, effort):
    before = counts()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(fd)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        for _ in range(effort.pick(30, 1000)):
            with pytest.raises(OSError, match="Too many open files"):
                take(fd, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not is_taken(fd, 1)
    assert counts() == before


def test_without_a_mapping_no_lease_is_taken(fd):
    """This is the last point at which taking a lease can fail: the byte is locked already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1, hard))
    try:
        refused = None
        try:
            take(fd, 1)
        except OSError as error:
            refused = error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert isinstance(refused, OSError)
    assert not is_taken(fd, 1)


# Several processes


def test_another_process_sees_a_lease_and_cannot_take_it(fd, start, holder):
    child = start(holder(fd))
    assert child.hear() == "taken"
    assert is_taken(fd, 1)
    assert take(fd, 1) is None
    assert start(holder(fd)).hear() == "refused"
    assert start(holder(fd, 2)).hear() == "taken"


def test_a_lease_ends_when_its_process_exits(fd, start, holder):
    child = start(holder(fd))
    child.hear()
    child.say("go")
    assert child.wait() == 0
    assert not is_taken(fd, 1)


def test_a_lease_ends_when_its_process_is_killed(fd, start, holder):
    child = start(holder(fd))
    child.hear()
    assert child.kill() == -signal.SIGKILL
    assert not is_taken(fd, 1)
    assert start(holder(fd)).hear() == "taken"


def test_a_zombie_has_no_lease(fd, start, holder):
    child = start(holder(fd))
    child.hear()
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert os.path.exists(f"/proc/{child.pid}")
    assert not is_taken(fd, 1)


def test_a_stopped_process_keeps_its_lease(fd, start, holder):
    child = start(holder(fd))
    child.hear()
    os.kill(child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    assert is_taken(fd, 1)


def test_a_lease_ends_when_its_process_calls_exec(fd, start):
    def part(child):
        take(fd, 1)
        child.say("taken")
        child.hear()
        say, hear = child.pipes()
        os.dup2(hear, 0)
        os.dup2(say, 1)
        os.execvp("sh", ["sh", "-c", "echo executed; read word; echo $word"])

    child = start(part)
    assert child.hear() == "taken"
    assert is_taken(fd, 1)
    child.say("exec")
    assert child.hear() == "executed"
    assert not is_taken(fd, 1)
    child.say("alive")
    assert child.hear() == "alive"


def test_a_lease_stays_when_every_descriptor_is_closed(fd, start):
    def part(child):
        take(fd, 1)
        keep = child.pipes()
        for number in {int(name) for name in os.listdir("/proc/self/fd")} - set(keep):
            try:
                os.close(number)
            except OSError:
                continue
        child.say("closed")
        child.hear()

    child = start(part)
    assert child.hear() == "closed"
    assert is_taken(fd, 1)
    child.kill()
    assert not is_taken(fd, 1)


def test_a_lease_stays_when_its_memory_is_closed(medium, start):
    file = os.dup(medium.fileno())
    taken = take(medium.fileno(), 1)
    medium.close()
    assert is_taken(file, 1)
    taken.release()
    assert not is_taken(file, 1)
    os.close(file)


@pytest.mark.skipif(platform.machine() not in THREAD_EXIT, reason="call number unknown here")
def test_a_lease_stays_when_the_first_thread_ends(fd, start):
    def part(child):
        take(fd, 1)

        def second():
            child.say("second")
            child.hear()
            child.say("still there")
            child.hear()

        threading.Thread(target=second).start()
        ctypes.CDLL(None).syscall(THREAD_EXIT[platform.machine()], 0)

    child = start(part)
    assert child.hear() == "second"
    while state_of(child.pid) != "Z":
        # The thread reports that it starts, but nothing reports that the first thread has ended.
        os.sched_yield()
    assert is_taken(fd, 1)
    child.say("go on")
    assert child.hear() == "still there"
    child.kill()
    assert not is_taken(fd, 1)


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


# Fork


def with_grandchild(fd, inherited):
    """Make a part: take the lease and fork; the grandchild waits instead of the child."""

    def part(child):
        taken = take(fd, 1, inherited=inherited)
        if not os.fork():
            child.say("forked")
            while child.hear() == "release":
                taken.release()
                child.say("released")
            os._exit(0)
        signal.pause()

    return part


def test_a_child_does_not_keep_its_parents_lease(fd, start):
    child = start(with_grandchild(fd, inherited=False))
    assert child.hear() == "forked"
    assert is_taken(fd, 1)
    child.kill()
    assert not is_taken(fd, 1)
    child.say("end")


def test_a_child_keeps_an_inherited_lease(fd, start):
    child = start(with_grandchild(fd, inherited=True))
    assert child.hear() == "forked"
    child.kill()
    assert is_taken(fd, 1)
    child.say("release")
    assert child.hear() == "released"
    assert not is_taken(fd, 1)
    child.say("end")


def test_a_lease_can_be_taken_for_a_child_before_the_fork(fd, start):
    for_child = take(fd, 5, inherited=True)

    def part(child):
        for_child.set_inherited(False)
        if not os.fork():
            child.say("grandchild")
            child.hear()
            os._exit(0)
        signal.pause()

    child = start(part)
    assert child.hear() == "grandchild"
    for_child.release()
    assert is_taken(fd, 5)
    child.kill()
    assert not is_taken(fd, 5)
    child.say("end")


def test_a_lease_for_a_child_that_was_not_forked_is_released(fd):
    for_child = take(fd, 5, inherited=True)
    for_child.release()
    assert not is_taken(fd, 5)


def test_a_lease_can_become_inherited_before_a_fork(fd, start):
    mine = take(fd, 1)
    mine.set_inherited(True)
    child = start(lambda child: (child.say("forked"), child.hear()))
    assert child.hear() == "forked"
    mine.release()
    assert is_taken(fd, 1)
    child.kill()
    assert not is_taken(fd, 1)
