"""Visitors, and attaching one at a time: the two bytes beside the leases."""

from __future__ import annotations

import os
import signal

import pytest

from pagebuddy.sharing.system.lease import (
    any_is_taken,
    attaching,
    is_visited,
    visit,
)


def test_visitors_come_in_any_number_and_hinder_nobody(fd, start, holder):
    def part(child):
        visit(fd)
        child.say("visiting")
        child.hear()

    assert not is_visited(fd)
    first, second = start(part), start(part)
    assert first.hear() == second.hear() == "visiting"
    assert is_visited(fd)
    assert not any_is_taken(fd, 48)
    assert start(holder(fd)).hear() == "taken"
    first.kill()
    assert is_visited(fd)
    second.kill()
    assert not is_visited(fd)


def test_reading_is_enough_for_a_visit(fd):
    reading = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    visiting = visit(reading)
    os.close(reading)
    assert is_visited(fd)
    visiting.release()
    assert not is_visited(fd)


# Attaching


def test_one_attaches_at_a_time(medium, fd, start):
    def part(child):
        try:
            with attaching(fd, timeout=0):
                child.say("in")
        except TimeoutError:
            child.say("refused")
        with attaching(fd, timeout=30):
            child.say(medium.memory[0])

    with attaching(fd):
        child = start(part)
        assert child.hear() == "refused"
        medium.memory[0] = 7
    assert child.hear() == "7"


def test_who_waits_with_a_limit_gets_in(fd, start):
    def part(child):
        child.say("waiting")
        with attaching(fd, timeout=60):
            child.say("in")

    with attaching(fd):
        child = start(part)
        assert child.hear() == "waiting"
    assert child.hear() == "in"


def test_who_dies_attaching_lets_the_next_in(fd, start):
    def part(child):
        with attaching(fd):
            child.say("in")
            child.hear()

    child = start(part)
    assert child.hear() == "in"
    with pytest.raises(TimeoutError, match="another process has been attaching"), attaching(fd, 0):
        pass
    child.kill()
    with attaching(fd, timeout=0):
        pass


def test_a_copy_of_the_descriptor_keeps_nobody_out(fd, start):
    with attaching(fd):
        child = start(lambda child: (child.say("forked"), child.hear()))
        assert child.hear() == "forked"
    with attaching(fd, timeout=0):
        pass


def test_an_error_while_attaching_lets_the_next_in(fd):
    with pytest.raises(ZeroDivisionError), attaching(fd):
        1 / 0  # noqa: B018
    with attaching(fd, timeout=0):
        pass


def test_a_signal_is_handled_while_waiting(fd, start):
    def part(child):
        signal.signal(signal.SIGUSR1, interrupted)
        try:
            child.say("waiting")
            with attaching(fd):
                child.say("in")
        except InterruptedError:
            child.say("interrupted")

    def interrupted(*_):
        raise InterruptedError

    with attaching(fd):
        child = start(part)
        assert child.hear() == "waiting"
        os.kill(child.pid, signal.SIGUSR1)
        assert child.hear() == "interrupted"
