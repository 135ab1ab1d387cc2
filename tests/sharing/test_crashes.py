"""A process may die before any store of any operation on an arena.

One process plays all roles. The mortal, uncompiled, stops before a given store and loses its lease. The
survivor, of either engine, continues with what it finds. After each point the arena is restored.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from pagebuddy import Arena as ChosenArena
from pagebuddy import OutOfPages
from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing import words as w
from pagebuddy.sharing.operations.dispatch import run_operation
from pagebuddy.testing.crash import Budget, Crash, engine_of_the_mortal

PAGE = 64
N_PAGES = 96


class Mortal:
    """A process with its own attachment that dies before any store, and can be revived."""

    def __init__(self, fd):
        self.budget = Budget()
        engine = engine_of_the_mortal(self.budget)
        self.arena = type("Arena", (ChosenArena,), {"_engine": engine}).attach(fd)
        self.attachment = self.arena._attachment
        self.slot = self.attachment.figures["slot"]
        self.save()

    def ask(self, operation, node=0, **asked):
        """Perform an operation without creating objects. Return its answer."""
        request = self.attachment.request(node=node, **asked)
        self.attachment.perform(request, operation)
        return request.answer

    def alloc(self, n, **asked):
        """Allocate a buffer of n pages. Return its node."""
        return self.ask(w.OP_ALLOC, n_pages=n, **asked)["node"]

    def keep(self, node, key, **asked):
        self.ask(w.OP_KEEP, node, n_bytes=PAGE, key=key, **asked)

    def send(self, node):
        """Make a ticket. Return the contents of its handle."""
        made = self.ask(w.OP_SEND, node, n_bytes=PAGE, now_ms=1)
        return {"ticket_index": made["ticket_index"], "serial": made["serial"]}

    def die(self):
        """Leave the arena as it is, without a lease."""
        self.attachment.lease.release()

    def die_in(self, operation, stores):
        """Die before the store after so many. Return whether the operation had more stores."""
        self.budget.left = self.budget.spent + stores
        try:
            operation(self)
        except Crash:
            return True
        finally:
            self.budget.left = None
            self.die()
        return False

    def save(self):
        """Save the mortal's own state for `revive`."""
        self.local = bytes(self.attachment.local_memory)

    def revive(self):
        """Restore the slot, the lease and the local counts."""
        if self.attachment.lease.n_bytes:
            return
        self.attachment.local_memory[:] = memoryview(self.local).cast("Q")
        self.attachment.deferred.clear()
        self.attachment.fault = self.attachment.seen_fault = 0
        self.attachment.next_ticket = 0
        assert self.attachment.take_lease(self.slot)
        self.attachment.be(self.slot)


class Scene:
    """An arena with buffers of the survivor, the mortal, both, a dead process, and kept ones."""

    def __init__(self, Arena):
        self.arena = Arena(N_PAGES * PAGE, page_size=PAGE, max_order=4, lock="file")
        self.medium = self.arena._attachment.medium
        fd = self.arena.fileno()
        self.mortal, self.taker, self.dead = mortal, _, dead = [Mortal(fd) for _ in range(3)]
        self.mine = [self.arena.alloc(n * PAGE) for n in (1, 3, 5)]
        self.nodes = {f"mortal's {n}": mortal.alloc(n) for n in (2, 4, 1)}
        gaps = [mortal.alloc(n) for n in (3, 1, 6)]
        for i, name in enumerate(["both's", "both's kept", "kept", "dead's and both's", "sent"]):
            self.nodes[name] = (dead if name.startswith("dead") else mortal).alloc(2 + i)
            gaps.append(mortal.alloc(i + 1))
        for name in ("both's", "both's kept", "dead's and both's"):
            self.mine.append(self.arena.buffer_at((self.nodes[name] - FIRST_NODE) * PAGE))
        mortal.ask(w.OP_JOIN, self.nodes["dead's and both's"])
        for n in (1, 2):
            dead.alloc(n)
        mortal.keep(self.nodes["both's kept"], "shared")
        mortal.keep(self.nodes["kept"], "kept")
        self.tickets = {name: mortal.send(self.nodes[name]) for name in ("both's", "sent")}
        for name in ("kept", "sent"):
            mortal.ask(w.OP_DROP, self.nodes[name])
        nameless = dead.alloc(1)
        dead.keep(nameless, "")
        self.nodes["survivor's"] = self.mine[1].offset // PAGE + FIRST_NODE
        for node in gaps:
            mortal.ask(w.OP_DROP, node)
        self.fill()
        dead.die()
        mortal.save()
        self.taker.save()
        self.bytes = bytes(self.medium.memory)

    def fill(self):
        """Fill every page with its own byte."""
        at = self.arena._attachment.layout.data_at
        for page in range(N_PAGES):
            self.medium.memory[at + page * PAGE : at + (page + 1) * PAGE] = bytes([page]) * PAGE

    def put_back(self):
        """Restore the state before any death."""
        self.medium.memory[:] = self.bytes
        self.mortal.revive()

    def rows(self):
        """Return what every process can see."""
        return {
            (row.offset, row.n_pages, row.kept, row.key, row.holders, row.tickets)
            for row in self.arena.buffers()
        }

    def outcome(self):
        """Continue after a death. Return what is there, and what is there after reaping."""
        self.arena.alloc(PAGE)
        self.arena.verify()
        found = self.rows()
        self.arena.reap()
        self.arena.verify()
        left = self.rows()
        self.check_bytes(left)
        return found, left

    def check_bytes(self, rows):
        """Allocate all free pages and write to them: nothing else may change."""
        taken = []
        try:
            while True:
                taken.append(self.arena.alloc(PAGE))
                taken[-1].view[:] = b"\xff" * PAGE
        except OutOfPages:
            pass
        assert len(taken) == N_PAGES - sum(row[1] for row in rows)
        at = self.arena._attachment.layout.data_at
        for offset, n_pages, *_ in rows:
            part = slice(at + offset, at + offset + n_pages * PAGE)
            assert bytes(self.medium.memory[part]) == self.bytes[part]


OPERATIONS = {
    "alloc": lambda m, s: m.alloc(2),
    "alloc what is aside": lambda m, s: m.alloc(4),
    "alloc aligned": lambda m, s: m.alloc(2, align=8),
    "alloc gathered": lambda m, s: m.alloc(m.ask(w.OP_MEASURE, rows=64)["longest_run"]),
    # Only a process for whom the lock was taken before gives a time to wait.
    "alloc after a wait": lambda m, s: run_operation(
        m.attachment, m.attachment.request(n_pages=2), w.OP_ALLOC, 100
    ),
    "alloc too much": lambda m, s: m.alloc(N_PAGES - 1),
    "drop the last": lambda m, s: m.ask(w.OP_DROP, s.nodes["mortal's 4"]),
    "drop, another holds": lambda m, s: m.ask(w.OP_DROP, s.nodes["both's"]),
    "drop, a dead one holds": lambda m, s: m.ask(w.OP_DROP, s.nodes["dead's and both's"]),
    "join": lambda m, s: m.ask(w.OP_JOIN, s.nodes["survivor's"]),
    "join again": lambda m, s: m.ask(w.OP_JOIN, s.nodes["both's"]),
    "find": lambda m, s: m.ask(w.OP_FIND, key="kept"),
    "keep": lambda m, s: m.keep(s.nodes["mortal's 2"], "new"),
    "keep without a key": lambda m, s: m.keep(s.nodes["both's"], ""),
    "keep again": lambda m, s: m.keep(s.nodes["both's kept"], "shared"),
    "keep, replacing": lambda m, s: m.keep(s.nodes["mortal's 2"], "kept", replace=True),
    "keep, replacing what others hold": lambda m, s: m.keep(
        s.nodes["both's"], "shared", replace=True
    ),
    "unkeep": lambda m, s: m.ask(w.OP_UNKEEP, s.nodes["kept"]),
    "unkeep what others hold": lambda m, s: m.ask(w.OP_UNKEEP, s.nodes["both's kept"]),
    "grow": lambda m, s: m.ask(w.OP_RESIZE, s.nodes["dead's and both's"], n_pages=6, n_bytes=9),
    "grow what is kept": lambda m, s: m.ask(
        w.OP_RESIZE, s.nodes["kept"], n_pages=6, n_bytes=6 * PAGE
    ),
    "shrink": lambda m, s: m.ask(
        w.OP_RESIZE, s.nodes["mortal's 4"], n_pages=1, n_bytes=PAGE, is_unseen=True
    ),
    "take_free": lambda m, s: m.ask(w.OP_TAKE_FREE, FIRST_NODE, n_pages=4),
    "send": lambda m, s: m.send(s.nodes["mortal's 2"]),
    "send again": lambda m, s: m.send(s.nodes["both's"]),
    "claim": lambda m, s: m.ask(w.OP_CLAIM, **s.tickets["sent"]),
    "claim what it holds": lambda m, s: m.ask(w.OP_CLAIM, **s.tickets["both's"]),
    "withdraw": lambda m, s: m.ask(w.OP_WITHDRAW, **s.tickets["sent"]),
    "withdraw what others hold": lambda m, s: m.ask(w.OP_WITHDRAW, **s.tickets["both's"]),
    "reap tickets": lambda m, s: m.ask(w.OP_REAP_TICKETS, now_ms=9),
    "reap": lambda m, s: m.ask(w.OP_REAP),
    "detach": lambda m, s: m.ask(w.OP_DETACH),
    "verify": lambda m, s: m.ask(w.OP_VERIFY),
    "measure": lambda m, s: m.ask(w.OP_MEASURE, rows=64),
    "measure for a failed allocation": lambda m, s: m.ask(w.OP_MEASURE, rows=64, n_failed=1),
    "list buffers": lambda m, s: m.ask(w.OP_BUFFERS, FIRST_NODE, rows=64),
    "list entries": lambda m, s: m.ask(w.OP_ENTRIES, rows=64),
    "recover": lambda m, s: m.ask(w.OP_REPAIR),
}
# The end of each hold is a commit of its own. So is a new hold that is stored before a ticket ends.
ONE_BY_ONE = {"reap", "reap tickets", "detach", "claim"}
CHANGE_NOTHING = {
    "alloc too much",
    "join again",
    "keep again",
    "verify",
    "measure",
    "measure for a failed allocation",
    "list buffers",
    "list entries",
    "recover",
}


@pytest.fixture(scope="module")
def scene(Arena):
    return Scene(Arena)


def deaths(scene, name):
    """Kill the mortal before each store of an operation in turn, and yield with what it leaves."""
    stores, more = 0, True
    while more:
        scene.put_back()
        more = scene.mortal.die_in(lambda mortal: OPERATIONS[name](mortal, scene), stores)
        yield stores
        stores += 1


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_killed_at_any_store_is_completed_or_undone(scene, name):
    seen = [scene.outcome() for _ in deaths(scene, name)]
    first, last = seen[0], seen[-1]
    assert (first == last) == (name in CHANGE_NOTHING)
    for found, left in seen:
        # Some of several tickets may have ended. Any other operation is undone or completed.
        assert name == "reap tickets" or left in (first[1], last[1])
        assert {row[:2] for row in found} <= {row[:2] for row in first[0] | last[0]}
    commits = sum(one != other for one, other in pairwise(seen))
    if name in ONE_BY_ONE:
        assert commits >= 2
    else:
        assert commits == (name not in CHANGE_NOTHING), "one store commits"


@pytest.mark.parametrize(
    "name", ["alloc gathered", "drop the last", "keep, replacing", "claim", "detach"]
)
def test_a_recovery_killed_at_any_store_can_be_repeated(scene, name, effort):
    """The second death is before some stores of the recovery, after some of the first deaths."""
    for died_at in deaths(scene, name):
        if died_at % effort.pick(8, 8, 1):
            continue
        image = bytes(scene.medium.memory)
        expected = scene.outcome()
        stores, more = 0, True
        while more:
            scene.medium.memory[:] = image
            more = scene.taker.die_in(lambda taker: taker.ask(w.OP_REAP), stores)
            assert scene.outcome()[1] == expected[1]
            scene.taker.revive()
            stores += effort.pick(5, 5, 1)


def test_a_dead_process_stores_nothing(scene):
    scene.put_back()
    assert scene.mortal.die_in(lambda mortal: mortal.alloc(3), 4)
    before = bytes(scene.medium.memory)
    scene.mortal.budget.left = scene.mortal.budget.spent
    with pytest.raises(Crash):
        scene.mortal.alloc(3)
    assert bytes(scene.medium.memory) == before
    scene.mortal.budget.left = None
