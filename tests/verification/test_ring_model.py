"""The model of rings: the protocol holds in every state, and each broken rule does damage."""

from __future__ import annotations

import pytest

from tests.verification.models import check_damage, check_sound, check_stopped, run, worlds_only_in
from verification.ring_model import Configuration, Flaw, search

ONE = {"puts": ("p",), "gets": (1,)}
TICKET = {"puts": ("t",), "gets": (1,)}
TWO = {"puts": ("t", "p"), "gets": (1, 1)}
WAITERS = {"puts": ("p", "p"), "gets": (1, 1), "deaths": 0}
TOPIC = {"topic": True, "puts": ("tt",), "gets": (2,), "cells": 1, "deaths": 0}

# With the numbers of states and transitions: losing a move would otherwise shrink the search silently.
WORLDS = {
    "two, two and a death": (TWO, (20_627, 50_562)),
    "full ring": ({"puts": ("pp",), "gets": (1, 1), "cells": 1}, (1_978, 4_260)),
    "interrupted": ({**TWO, "deaths": 0, "faults": 1}, (5_219, 13_295)),
    "interrupted batches": (
        {"puts": ("tp",), "gets": (1, 1), "batch": 2, "faults": 1},
        (14_759, 36_040),
    ),
    "waits in steps": ({**WAITERS, "puts": ("pp",), "fine": True}, (2_541, 6_406)),
    "waits in steps, full ring": (
        {**WAITERS, "gets": (1,), "cells": 1, "fine": True},
        (1_310, 3_085),
    ),
    "waits in steps, and a death": ({**ONE, "fine": True}, (249, 484)),
    "large messages": ({"puts": ("pp", "L", "p"), "gets": (1,), "deaths": 0}, (584, 1_274)),
    "unlinked": ({**TWO, "gets": (1,), "unlinks": True, "deaths": 0, "faults": 1}, (1_658, 3_405)),
    "closed by producers": (
        {**TWO, "puts": ("p", "p"), "gets": (2, 2), "closes": True, "deaths": 0},
        (12_252, 38_420),
    ),
    "slots taken again": (
        {**TICKET, "puts": ("T",), "gets": (1, 1), "newcomers": True},
        (3_922, 9_940),
    ),
    "topic": ({**TOPIC, "puts": ("ttp",), "cells": 2, "deaths": 1}, (2_774, 5_002)),
    "topic, interrupted": ({**TOPIC, "puts": ("tp",), "deaths": 1, "faults": 1}, (2_797, 5_279)),
    "topic that blocks": (
        {**TOPIC, "puts": ("p", "p"), "gets": (1,), "deaths": 1, "block": True},
        (1_561, 2_843),
    ),
    "topic, waits in steps": ({**TOPIC, "puts": ("tp",), "gets": (1,), "fine": True}, (768, 1_375)),
}

# These take some 50 s together.
LARGER_WORLDS = {
    "one cell": ({**TWO, "cells": 1}, (13_855, 34_913)),
    "three messages": ({"puts": ("tp", "p"), "gets": (2, 1)}, (101_737, 287_156)),
    "death and interruption": ({**TWO, "faults": 1}, (83_290, 226_218)),
    "two deaths": ({**TWO, "deaths": 2}, (83_518, 298_297)),
    "waits in steps": ({**TWO, "deaths": 0, "fine": True}, (30_546, 99_072)),
    "waits in steps, full ring": ({**WAITERS, "cells": 1, "fine": True}, (24_408, 78_028)),
    "unlinked, and a death": ({**TWO, "unlinks": True}, (53_741, 153_224)),
    "unlinked and interrupted": (
        {**TWO, "unlinks": True, "deaths": 0, "faults": 1},
        (20_791, 61_320),
    ),
    "closed by producers, and a death": (
        {**TWO, "gets": (2, 1), "closes": True},
        (205_480, 640_121),
    ),
    "slots taken again": (
        {**TWO, "puts": ("T",), "newcomers": True, "faults": 1},
        (10_798, 28_135),
    ),
    "two subscribers": (
        {**TOPIC, "gets": (1, 1), "deaths": 1, "faults": 1},
        (132_265, 316_777),
    ),
    "two publishers": ({**TOPIC, "puts": ("tt", "p"), "cells": 2, "deaths": 1}, (34_666, 72_492)),
    "two subscribers that block": (
        {**TOPIC, "puts": ("pp",), "gets": (1, 1), "deaths": 1, "block": True},
        (10_163, 25_166),
    ),
}

# For each flaw, the smallest model with a violation, and a part of the message.
SLEEPS = "sleeps although it could go on"
DAMAGE = {
    Flaw.READY_BEFORE_BYTES: (ONE, "whose bytes are not there"),
    Flaw.HEAD_BEFORE_STATE: (ONE, "is not that of its message"),
    Flaw.SERIAL_BEFORE_REFERENCE: (TICKET, "a ticket is left"),
    Flaw.HOLD_AFTER_TICKET: ({**TICKET, "deaths": 0}, "that a consumer took are gone"),
    Flaw.DONE_BEFORE_WITHDRAWAL: (TICKET, "a ticket is left"),
    Flaw.TAIL_OVER_TAKEN: (
        {"puts": ("pp",), "gets": (1,), "cells": 1, "deaths": 0},
        "number of ready messages",
    ),
    Flaw.NEXT_OVER_WRITING: ({"puts": ("t", "p"), "gets": (1,), "deaths": 0}, "below next"),
    Flaw.NEXT_NOT_LOWERED: ({**ONE, "deaths": 0, "faults": 1}, "below next"),
    Flaw.GIVE_BACK_WITHDRAWN: ({**TICKET, "deaths": 0, "faults": 1}, "whose pages are gone"),
    Flaw.REFERENCES_READ_LATE: (
        {"puts": ("t", "t"), "gets": (1,), "cells": 1},
        "whose pages are gone",
    ),
    Flaw.END_UNCHECKED: (
        {"puts": ("pp",), "gets": (1, 1), "cells": 1},
        "number of ready messages",
    ),
    Flaw.GENERATION_IGNORED: ({**TICKET, "newcomers": True}, "is never ended"),
    Flaw.BUSY_IGNORED: (ONE, "is not between tail and head"),
    Flaw.REPAIR_LEAVES_HEAD: (ONE, "is not between tail and head"),
    Flaw.REPAIR_LEAVES_NEXT: ({**ONE, "faults": 1}, "below next"),
    Flaw.GIVE_UP_LEAVES_TICKETS: ({**TICKET, "deaths": 0, "faults": 1}, "a ticket is left"),
    Flaw.FLAG_READ_EARLY: ({**ONE, "deaths": 0, "fine": True}, SLEEPS),
    Flaw.FLAG_CLEARED_LATE: ({**WAITERS, "cells": 1, "fine": True}, SLEEPS),
    Flaw.FUTEX_NOT_CHANGED: ({**WAITERS, "fine": True}, SLEEPS),
    Flaw.LOOK_BEFORE_FLAG: ({**ONE, "deaths": 0, "fine": True}, SLEEPS),
    Flaw.FLAG_BEFORE_FUTEX: ({**WAITERS, "cells": 1, "fine": True}, SLEEPS),
    Flaw.WOKEN_SETS_NO_FLAG: (WAITERS, SLEEPS),
    Flaw.NO_BATON: (WAITERS, SLEEPS),
    Flaw.ROOM_WAKES_ONE: ({"puts": ("pp", "L", "p"), "gets": (1,), "deaths": 0}, SLEEPS),
    Flaw.LEAVES_WITH_WAKE: ({**WAITERS, "faults": 1}, SLEEPS),
    Flaw.GIVE_UP_WAKES_NOBODY: (
        {"puts": ("t", "pp"), "gets": (1,), "deaths": 0, "faults": 1},
        SLEEPS,
    ),
    Flaw.GIVE_BACK_WAKES_NOBODY: ({**WAITERS, "faults": 1}, SLEEPS),
    Flaw.UNLINK_HEEDS_FLAG: (
        {"puts": ("p",), "gets": (2, 2), "deaths": 0, "unlinks": True},
        SLEEPS,
    ),
    Flaw.CLOSE_HEEDS_FLAG: ({**ONE, "gets": (2, 2), "deaths": 0, "closes": True}, SLEEPS),
    Flaw.UNLINK_NAME_FIRST: ({**ONE, "unlinks": True}, "never closed"),
    Flaw.EVICT_BEFORE_WITHDRAWAL: ({**TOPIC, "deaths": 1}, "a ticket is left"),
    Flaw.VOID_IS_MISSED: ({**TOPIC, "puts": ("tp",), "faults": 1}, "wrong count of missed"),
    Flaw.NEXT_BEFORE_MISSED: (
        {**TOPIC, "puts": ("p", "pp"), "deaths": 1},
        "wrong count of missed",
    ),
    Flaw.EVICTED_IN_HAND_MISSED: (TOPIC, "wrong count of missed"),
    Flaw.BLOCK_FOR_THE_DEAD: ({**TOPIC, "block": True, "deaths": 1}, "waits for a dead process"),
    Flaw.READ_WAKES_NOBODY: ({**TOPIC, "block": True}, SLEEPS),
    Flaw.READY_WAKES_NO_PUBLISHER: ({**TOPIC, "puts": ("t", "p"), "gets": (1,)}, SLEEPS),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_protocol_of_rings_holds_in_every_state(name):
    bounds, figures = WORLDS[name]
    check_sound(search(Configuration(**bounds)), figures)


@pytest.mark.soak
@pytest.mark.parametrize("name", LARGER_WORLDS)
def test_the_protocol_of_rings_holds_in_larger_worlds(name):
    bounds, figures = LARGER_WORLDS[name]
    check_sound(search(Configuration(**bounds)), figures)


@pytest.mark.parametrize("flaw", Flaw, ids=lambda flaw: flaw.value)
def test_a_broken_rule_of_rings_does_damage(flaw):
    bounds, damage = DAMAGE[flaw]
    check_damage(search(Configuration(**bounds, flaw=flaw)), flaw, damage)


@pytest.mark.parametrize("world", worlds_only_in(DAMAGE, WORLDS, Configuration))
def test_the_same_ring_is_sound_without_the_flaw(world, effort):
    result = search(world, max_states=effort.pick(800, 10_000, 50_000))
    assert result.violation is None, "\n".join(result.trace)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"cells": 0}, "cells is 0; give at least 1"),
        ({"deaths": -1}, "deaths is -1; give at least 0"),
        ({"puts": ("x",)}, "puts has 'x'; give one or more of p, t, T, L"),
        ({"puts": ("",)}, "puts has ''; give one or more of p, t, T, L"),
        ({"puts": ("L",), "cells": 1}, "does not fit into one cell's bytes; give 2 cells"),
        ({"block": True}, "block is a policy of topics; give topic too"),
    ],
)
def test_bounds_that_make_no_ring_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        Configuration(**bounds)


def test_a_search_of_rings_that_is_stopped_says_so():
    check_stopped(search(Configuration(), max_states=100))


def test_the_command_searches_rings_and_tells_a_violation_by_its_status():
    sound = run("ring_model --puts p --gets 1 --unlinks")
    assert sound.returncode == 0, sound.stderr
    assert "COMPLETE" in sound.stdout
    assert "puts p gets 1 cells 2" in sound.stdout
    broken = run("ring_model --puts p --gets 1 --flaw busy_ignored")
    assert broken.returncode == 1, broken.stderr
    assert "VIOLATION" in broken.stdout
    assert "P0 puts" in broken.stdout


def test_the_command_refuses_rings_that_it_does_not_know():
    refused = run("ring_model --flaw nothing")
    assert refused.returncode == 2
    assert "no_baton" in refused.stderr
    assert "give 2 cells" in run("ring_model --puts L --cells 1").stderr
