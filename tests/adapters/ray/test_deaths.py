"""Actors are killed in each phase: nothing of theirs stays, and others get right arrays or an error."""

from __future__ import annotations

import gc
import os
import signal

import pytest

np = pytest.importorskip("numpy")
ray = pytest.importorskip("ray")

import pagebuddy.adapters.ray as adapter  # noqa: E402
from tests.adapters.ray.actors import Sender  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")

N = 1_000_000


@pytest.fixture
def kill(arena, until):
    """Return a function that kills an actor, and waits until the arena knows it."""

    def killed(actor):
        pid = ray.get(actor.pid.remote())
        os.kill(pid, signal.SIGKILL)
        until(lambda: not any(row.alive and row.pid == pid for row in arena.processes()))

    return killed


def test_a_sender_that_is_killed_before_it_sends_is_rays_error(arena, sender, receiver):
    ref = sender.die.remote()
    with pytest.raises(ray.exceptions.RayError):
        ray.get(receiver.taken.remote(ref))
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(ref)
    assert arena.stats().used == 0


def test_what_a_killed_sender_sent_is_received_until_the_dead_are_reaped(
    arena, sender, receiver, kill
):
    refs = [sender.full.remote(N, i) for i in (3, 4)]
    ray.wait(refs, num_returns=2)
    kill(sender)
    assert ray.get(receiver.taken.remote(refs[0]))["sum"] == 3 * N
    # The next that sends something reaps.
    other = Sender.remote()
    assert ray.get(other.full.remote(3, 1)).tolist() == [1, 1, 1]
    assert arena.stats().used == 0
    with pytest.raises(ray.exceptions.RayError, match="may have died"):
        ray.get(receiver.taken.remote(refs[1]))
    with pytest.raises(ray.exceptions.RayDirectTransportError, match="may have died"):
        ray.get(refs[1])
    arena.verify()


def test_a_receiver_that_is_killed_while_it_receives_leaves_nothing(arena, sender, receiver, until):
    ref = sender.full.remote(N, 3)
    pid = ray.get(receiver.pid.remote())
    # It has the transport from now on.
    ray.get(receiver.taken.remote(ref))
    os.kill(pid, signal.SIGSTOP)
    call = receiver.taken.remote(ref)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(call)
    assert ray.get(ref).sum() == 3 * N
    del ref, call
    gc.collect()
    until(lambda: arena.stats().tickets == 0)
    until(lambda: arena.reap() >= 0 and arena.stats().used == 0)
    arena.verify()


def test_an_array_that_was_received_survives_its_sender_but_not_both(
    arena, sender, receiver, kill, until
):
    ref = sender.full.remote(N, 3)
    ray.get(receiver.keep.remote(ref))
    kill(sender)
    adapter._end_handles_of_the_dead(arena._open)
    assert arena.stats().tickets == 0
    assert ray.get(receiver.still.remote())["sum"] == 3 * N
    kill(receiver)
    arena.reap()
    assert arena.stats().used == 0
    arena.verify()


def test_what_a_receiver_never_reads_ends_with_it(arena, sender, receiver, tmp_path, until):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    call = receiver.block.remote(str(gate))
    waiting = receiver.taken.remote(ref := sender.full.remote(N, 3))
    ray.wait([ref])
    ray.kill(receiver)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(waiting)
    del ref, waiting, call
    gc.collect()
    until(lambda: arena.reap() >= 0 and arena.stats().used == 0)
    assert arena.stats().tickets == 0


def test_an_actor_that_ray_restarts_registers_again(arena, receiver):
    sender = Sender.options(max_restarts=1, max_task_retries=1).remote(registers=True)
    lost = sender.full.remote(N, 3)
    pid = ray.get(sender.pid.remote())
    os.kill(pid, signal.SIGKILL)
    ref = sender.full.remote(N, 4)
    assert ray.get(receiver.taken.remote(ref))["sum"] == 4 * N
    assert ray.get(sender.pid.remote()) != pid
    adapter._end_handles_of_the_dead(arena._open)
    # The new process has not made it.
    with pytest.raises(ray.exceptions.RayDirectTransportError):
        ray.get(lost)
