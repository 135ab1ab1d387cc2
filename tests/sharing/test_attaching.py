"""Only one process attaches to an arena at a time."""

from __future__ import annotations

import os
import signal

import pytest

from pagebuddy.sharing.system.lease import attaching


def test_only_one_process_attaches_at_a_time(medium, fd, start):
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


def test_a_process_that_waits_with_a_timeout_gets_in(fd, start):
    def part(child):
        child.say("waiting")
        with attaching(fd, timeout=60):
            child.say("in")

    with attaching(fd):
        child = start(part)
        assert child.hear() == "waiting"
    assert child.hear() == "in"


def test_a_process_that_dies_while_attaching_lets_the_next_in(fd, start):
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


def test_a_copy_of_the_descriptor_does_not_block_others(fd, start):
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


def test_signals_are_handled_while_waiting_to_attach(fd, start):
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
