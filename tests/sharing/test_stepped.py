"""A process killed between any two machine instructions: the arena is repaired, nothing is lost."""

from __future__ import annotations

import logging
import os
import pickle
import resource
import signal
import sys
from itertools import pairwise

import pytest

from pagebuddy.core.words import H_MASK
from pagebuddy.errors import BadFree, StaleHandle
from pagebuddy.memory.anonymous import Anonymous
from pagebuddy.memory.named import Named
from pagebuddy.sharing.joining import attaching, listing
from pagebuddy.sharing.layout import WORD, Layout
from pagebuddy.sharing.words import (
    A_BUSY,
    ARENA_WORDS,
    DONE,
    LARGE_SHARE,
    MAGAZINE_WORDS,
    MOST_LARGE_ROUNDS,
    MOST_SMALL_PAGES,
    OP_REAP,
    OP_REPAIR,
    OP_VERIFY,
    SLOT_MAGAZINE,
    SLOT_STICKY,
    SLOT_WORDS,
    TICKET_CLAIMS,
    TICKET_SENT,
    TICKET_WORDS,
)
from verification.stepping import copy_of, kill_at_work, steps_of, words_after_each_change

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ptrace is Linux's")

PAGE = 4096


@pytest.fixture(autouse=True)
def no_messages():
    """Log nothing: a message takes more instructions than all that is looked at here."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def arena(engine, Arena):
    """An arena with buffers of many lengths, some freed, one cached, one kept, one with a ticket."""
    if engine == "uncompiled":
        pytest.skip("uncompiled every store is a crash point in other tests, and steps are many")
    arena = Arena(256 * PAGE, slots=8)
    arena.held = [arena.alloc(n * PAGE) for n in (1, 3, 5, 2, 8, 1)]
    arena.held[1].keep("kept")
    arena.held[2].keep("other")
    arena.handle = pickle.dumps(arena.held[3])
    gone = [arena.alloc(n * PAGE) for n in (4, 1, 2)]
    del gone[1]
    del gone
    arena.longest = arena.stats().largest_free_bytes
    return arena


def dropping(arena):
    """Free a buffer, which becomes a round, allocate it again, and free it."""
    for _ in range(2):
        arena.alloc(3 * PAGE)


def dropping_many(arena):
    """Free more buffers than a magazine holds."""
    buffers = [arena.alloc(PAGE) for _ in range(MAGAZINE_WORDS + 1)]
    while buffers:
        del buffers[0]


def share_slot():
    """Fork a child that shares this process's slot and waits. Return its id and how to end it."""
    told, tell = os.pipe()
    next_free = os.dup(0)
    os.close(next_free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, limits[1]))
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        os.read(told, 1)
        os._exit(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    return pid, tell


def leave_shared_slot(arena):
    """Share a slot with a child, drop one of the buffers, and take another slot."""
    share_slot()
    arena.held.pop(0)
    arena.reap()
    check_slot(arena)


def end_sharing(arena):
    """Share a slot with a child, which ends; drop one of the buffers meanwhile."""
    pid, tell = share_slot()
    arena.held.pop(0)
    os.close(tell)
    os.waitpid(pid, 0)
    assert "kept" in arena
    check_slot(arena)


def check_slot(arena):
    """Raise RuntimeError if this process shares its slot."""
    slot = arena._attachment.figures["slot"]
    if arena._attachment.memory[ARENA_WORDS + slot * SLOT_WORDS + SLOT_STICKY]:
        raise RuntimeError("the slot is still shared")


def fork():
    """Fork a child that exits at once."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


OPERATIONS = {
    "alloc": lambda arena: arena.held.append(arena.alloc(3 * PAGE)),
    "alloc aligned": lambda arena: arena.held.append(arena.alloc(PAGE, align=16 * PAGE)),
    "alloc gathered": lambda arena: arena.held.append(arena.alloc(arena.longest)),
    "drop shared": lambda arena: arena.held.pop(0),
    "alloc and drop": lambda arena: arena.alloc(7 * PAGE),
    "join and drop": lambda arena: arena.buffer_at(0),
    "find": lambda arena: arena.held.append(arena["kept"]),
    "keep": lambda arena: arena.held[0].keep("new"),
    "keep under another key": lambda arena: arena.held[1].keep("new"),
    "keep replacing": lambda arena: arena.held[0].keep("kept", replace=True),
    "unkeep": lambda arena: arena.held[1].unkeep(),
    "grow": lambda arena: arena.held[5].resize(2 * PAGE),
    "send": lambda arena: pickle.dumps(arena.held[0]),
    "claim": lambda arena: arena.held.append(pickle.loads(arena.handle)),
    "reap": lambda arena: arena.reap(),
    "reap tickets": lambda arena: arena.reap(unclaimed_after=0),
    "verify": lambda arena: arena.verify(),
    "recover": lambda arena: arena.recover(),
    "drop and draw": dropping,
    "drop more than a magazine holds": dropping_many,
    "fork": lambda arena: fork(),
    "end sharing": end_sharing,
    "leave shared slot": leave_shared_slot,
}

# The number of commits of an operation, if not 0 or 1.
CHANGES = {
    "alloc and drop": 2,
    "join and drop": 0,
    "find": 0,
    "claim": 2,
    "keep under another key": 1,
    "keep replacing": 1,
    "verify": 0,
    "recover": 0,
    "drop and draw": 4,
    "drop more than a magazine holds": 2 * (MAGAZINE_WORDS + 1),
    # A child gets its parent's holds one after the other.
    "fork": 6,
    # So does a process that takes a slot.
    "leave shared slot": 5,
}

LARGE_PAGES = MOST_SMALL_PAGES + 1


def dropping_large(arena):
    """Free a large buffer, which becomes a round, allocate it again, and free it."""
    for _ in range(2):
        arena.alloc(LARGE_PAGES * PAGE)


def dropping_many_large(arena):
    """Free a large buffer more than a magazine holds."""
    buffers = [arena.alloc(LARGE_PAGES * PAGE) for _ in range(MOST_LARGE_ROUNDS + 1)]
    while buffers:
        del buffers[0]


# In a larger arena, with the most commits.
LARGE = {
    "drop and draw": (dropping_large, 4),
    "drop more than a magazine holds": (dropping_many_large, 2 * (MOST_LARGE_ROUNDS + 1)),
}

# With a handle for two receivers, and one that has expired.
TERMS = {
    "send to several": lambda arena: arena.held[0].handle(receivers=2, expires=60),
    "claim one of several": lambda arena: arena.held.append(pickle.loads(arena.several)),
    "expire": lambda arena: arena.reap(),
}

# Another process has a few rounds, which these operations take out of its magazine.
TAKING = {
    "stats": lambda arena: arena.stats(),
    "alloc a round": lambda arena: arena.held.append(arena.alloc(2 * PAGE)),
    "join a round": lambda arena: joining_none(arena, arena.dropped),
    "grow into a round": lambda arena: arena.neighbour.resize(2 * PAGE),
    "reap its process": lambda arena: arena.reap(),
}


def joining_none(arena, offset):
    """Ask for a buffer that is gone."""
    with pytest.raises(BadFree):
        arena.buffer_at(offset)


@pytest.fixture
def rounds(arena, start):
    """The same arena, full, except for a few rounds in the magazine of another process."""

    def part(child):
        buffers = [arena.alloc(n * PAGE) for n in (1, 1, 2)]
        child.say(buffers[1].offset)
        child.say(buffers[2].offset)
        child.hear()
        del buffers
        child.say("dropped")
        child.hear()

    hole = arena.alloc(4 * PAGE)
    while arena.stats().free:
        arena.held.append(arena.alloc(arena.stats().largest_free_bytes))
    del hole
    assert arena.stats().free == 4
    arena.owner = start(part)
    neighbour, arena.dropped = int(arena.owner.hear()), int(arena.owner.hear())
    arena.neighbour = arena.buffer_at(neighbour)
    arena.held.append(arena.neighbour)
    arena.owner.say("drop")
    assert arena.owner.hear() == "dropped"
    return arena


def truth_of(arena, words):
    """Repair a copy of the words. Return every buffer with its holders, tickets and key."""
    copy = copy_of(arena, words)
    rows = [
        (row.offset, row.n_pages, row.holders, row.tickets, row.key)
        for row in listing.buffers_of(copy)
    ]
    proof = copy.request()
    assert copy.perform(proof, OP_VERIFY) == DONE
    assert proof.answer["fault"] == 0, proof.answer
    assert copy.perform(copy.request(), OP_REAP) == DONE
    return rows


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=pytest.mark.soak if "shar" in name and name != "drop shared" else ()
        )
        for name in OPERATIONS
    ],
)
def test_a_process_killed_at_any_instruction_leaves_whole_commits(arena, name):
    check_commits(arena, OPERATIONS[name], CHANGES.get(name, 1))


@pytest.mark.parametrize("name", LARGE)
def test_a_process_killed_at_a_large_round_leaves_whole_commits(engine, Arena, name):
    if engine == "uncompiled":
        pytest.skip("the uncompiled engine has no mutex, and no magazines")
    arena = Arena((LARGE_PAGES << LARGE_SHARE) * PAGE, slots=8)
    arena.held = [arena.alloc(n * PAGE) for n in (1, LARGE_PAGES)]
    operation, most = LARGE[name]
    check_commits(arena, operation, most)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.soak if name == "expire" else ()) for name in TERMS],
)
def test_a_process_killed_at_a_handle_with_terms_leaves_whole_commits(arena, name):
    arena.several = arena.held[3].handle(receivers=2)
    sent = arena.alloc(2 * PAGE).handle(expires=60)
    layout = arena._attachment.layout
    # The third ticket.
    arena._attachment.memory[layout.tickets_at + 2 * TICKET_WORDS + TICKET_SENT] -= 60_000
    claims = layout.tickets_at + TICKET_WORDS + TICKET_CLAIMS
    states = check_commits(arena, TERMS[name], 1)
    left = [memoryview(state).cast("Q")[claims] for state in states]
    assert set(left) == ({2, 1} if name.startswith("claim") else {2})
    if name.startswith("claim"):
        # The one that claimed died: the handle is as good as before, or has a receiver less.
        assert pickle.loads(arena.several).nbytes == arena.held[3].nbytes
    with pytest.raises(StaleHandle):
        pickle.loads(sent)


def check_commits(arena, operation, most):
    """Check that an operation has at most so many commits, wherever it is killed. Return all words."""
    truths = []
    words = list(steps_of(arena, lambda: operation(arena)))
    for state in words:
        truth = truth_of(arena, state)
        if not truths or truth != truths[-1]:
            truths.append(truth)
    assert len(truths) - 1 <= most
    # Whatever the dead process had begun, its parent still holds what it held.
    held = {buffer.offset for buffer in arena.held}
    for truth in truths:
        me = {row[0] for row in truth if 1 in row[2]}
        assert held <= me
    assert arena.reap() >= 1
    arena.verify()
    assert {row.offset for row in arena.buffers() if 1 in row.holders} == held
    return words


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.soak if name == "stats" else ()) for name in TAKING],
)
def test_a_process_killed_while_taking_rounds_leaves_them_or_their_pages(rounds, name):
    arena = rounds
    held = {buffer.offset for buffer in arena.held}
    if name.startswith("reap"):
        arena.owner.kill()
    words = steps_of(arena, lambda: TAKING[name](arena))
    assert len(words) > 10
    marked = 0
    for state in words:
        rows = truth_of(arena, state)
        # Rounds are free to all observers, and other holds stay.
        free = arena.dropped not in {row[0] for row in rows}
        assert free or name in ("alloc a round", "reap its process")
        assert held <= {row[0] for row in rows if 1 in row[2]}
        marked += is_any_taken(arena, state)
    assert marked or name.startswith("reap")
    arena.reap()
    arena.verify()
    assert {row.offset for row in arena.buffers() if 1 in row.holders} == held


def is_any_taken(arena, words):
    """Return whether a round is marked as being taken."""
    layout = arena._attachment.layout
    view = memoryview(words).cast("Q")
    magazines = (
        layout.slots_at + slot * SLOT_WORDS + SLOT_MAGAZINE for slot in range(layout.n_slots)
    )
    return any(word >> 63 for at in magazines for word in view[at : at + MAGAZINE_WORDS])


def test_an_operation_has_more_stores_than_commits(arena):
    words = steps_of(arena, lambda: OPERATIONS["alloc"](arena))
    truths = [truth_of(arena, state) for state in words]
    assert sum(was != now for was, now in pairwise(truths)) == 1
    # Stores before the commit, and after it.
    assert truths.count(truths[0]) > 2
    assert truths.count(truths[-1]) > 1


@pytest.mark.parametrize("n_instructions", [1, 7, 20])
def test_the_next_process_takes_over_the_lock_of_a_killed_one(arena, n_instructions):
    held = {row.offset for row in arena.buffers()}
    assert kill_at_work(arena, lambda: arena.alloc(PAGE), n_instructions)
    assert arena._attachment.memory[A_BUSY]
    arena.alloc(PAGE)
    assert arena._attachment.memory[A_BUSY] == 0
    assert arena.stats().dead == 1
    assert arena.reap() == 1
    arena.verify()
    assert {row.offset for row in arena.buffers()} == held


def test_kill_at_work_reports_an_operation_that_ends_first(arena):
    assert not kill_at_work(arena, lambda: arena.alloc(PAGE), 1_000_000)
    assert arena._attachment.memory[A_BUSY] == 0
    assert arena.reap() == 1


def test_an_operation_that_fails_is_reported(arena, capfd):
    with pytest.raises(RuntimeError, match="ended with status 3"):
        steps_of(arena, lambda: 1 / 0)


@pytest.fixture
def left(engine, Arena, name):
    """The name of an arena whose processes were killed, with kept, sent and held buffers."""
    if engine == "uncompiled":
        pytest.skip("uncompiled every store is a crash point in other tests, and steps are many")
    for key in ("one", "two"):
        pid = os.fork()
        if pid == 0:
            arena = Arena.open(name, 64 * PAGE)
            buffers = [arena.alloc(n * PAGE) for n in (2, 3, 1, 4)]
            buffers[0].keep(key)
            handles = [pickle.dumps(buffer) for buffer in buffers[:2]]
            # As left by a death during recovery: the mask is derived, and is rebuilt.
            arena._attachment.words_of_engine()[H_MASK] = 99
            arena._attachment.memory[A_BUSY] = 2 << 32 | OP_REPAIR
            os.kill(os.getpid(), signal.SIGKILL if handles else 0)
        os.waitpid(pid, 0)
    return name


@pytest.mark.soak
def test_a_first_attachment_killed_at_any_store_can_be_repeated(Arena, left):
    medium = Named.open(left)
    layout = Layout.read(medium.memory[: ARENA_WORDS * WORD].cast("Q").tolist(), medium.size)
    unattached = attaching.adopted(Arena._engine, layout, medium)

    def attach():
        attaching._renew(Arena._engine, unattached)
        attaching._take_slot(unattached)

    def found(words):
        copy = Anonymous.make(layout.n_bytes)
        copy.memory[: len(words)] = words
        arena = Arena.attach(copy.fileno())
        arena.verify()
        assert [row.me for row in arena.processes()] == [True]
        return {
            (row.offset, row.n_pages, row.key, row.holders, row.tickets) for row in arena.buffers()
        }

    states = words_after_each_change(unattached.memory, attach)
    expected = found(states[0])
    assert sorted(key or "" for _, _, key, _, _ in expected) == ["", "", "one", "two"]
    assert len(states) > 20
    for words in states:
        assert found(words) == expected
