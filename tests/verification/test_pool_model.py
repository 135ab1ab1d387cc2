"""The model of pools: the protocol holds in every state, and each broken rule does damage."""

from __future__ import annotations

import pytest

from tests.verification.models import check_damage, check_sound, check_stopped, run, worlds_only_in
from verification.pool_model import Configuration, Flaw, search

ONE = {"workers": 1, "calls": 1, "takes": 0}
BATCH = {"workers": 1, "calls": 2, "takes": 0}
TAKEN = {"workers": 1, "calls": 2, "deaths": 0}
ALONE = {"workers": 1, "calls": 2, "batch": 1}
DEATHS = {"calls": 2, "deaths": 2, "takes": 0, "late": True}

# With the numbers of states and transitions: losing a move would otherwise shrink the search silently.
WORLDS = {
    "two workers and a death": ({"calls": 2, "takes": 0}, (5_910, 16_389)),
    "two workers, and calls taken back": ({"calls": 2, "deaths": 0}, (1_812, 4_645)),
    "four calls": ({"calls": 4, "takes": 0, "deaths": 0}, (3_931, 11_426)),
    "a death, and calls taken back": (ALONE, (8_387, 20_424)),
    "messages finished late": ({**BATCH, "late": True}, (1_377, 3_255)),
    "a call that is run again": ({**BATCH, "retries": 1}, (1_083, 2_375)),
}

# These take some 9 s together.
LARGER_WORLDS = {
    "two workers, a death, and calls taken back": ({"calls": 2}, (47_024, 136_971)),
    "messages of one call": ({"calls": 2, "batch": 1, "takes": 0}, (26_597, 76_108)),
    "three calls and a death": ({"takes": 0}, (84_672, 267_803)),
    "three calls, some taken back": ({"deaths": 0}, (27_600, 84_411)),
    "three calls of one worker": ({"workers": 1}, (36_540, 101_194)),
    "two deaths": (DEATHS, (84_668, 262_637)),
    "two deaths and retries": ({**ALONE, "deaths": 2, "retries": 1}, (51_455, 126_354)),
}

# For each flaw, the smallest model with a violation, and a part of the message.
DAMAGE = {
    Flaw.FINISH_BEFORE_ROW: (BATCH, "never ends"),
    Flaw.FIRST_OF_OTHERS: ({**ALONE, "deaths": 0}, "a result comes that nobody waits for"),
    Flaw.COUNTS_NOT_ZEROED: (ALONE, "fails that was not running"),
    Flaw.COUNTS_WITHOUT_NUMBER: ({**ALONE, "deaths": 0}, "a result comes that nobody waits for"),
    Flaw.START_NOT_ATOMIC: (TAKEN, "is run that was taken back"),
    Flaw.RESULT_AFTER_NEXT_START: (BATCH, "never ends"),
    Flaw.TAKE_BACK_NOT_ATOMIC: (TAKEN, "a result comes that nobody waits for"),
    Flaw.ROW_BEFORE_RESULTS: (ONE, "fails although its result was put"),
    Flaw.ROW_IN_LIFE: (BATCH, "is started twice"),
    Flaw.ARRIVED_IGNORED: (ONE, "fails although its result was put"),
    Flaw.MARKED_LATE: (ONE, "fails although its result was put"),
    Flaw.DEAD_NOT_ENDED: (ONE, "never ends"),
    Flaw.IN_HAND_NOT_READ: (ONE, "never ends"),
    Flaw.ROWS_IGNORED: ({**ONE, "late": True}, "is started twice"),
    Flaw.ONE_ROW: (DEATHS, "a result comes that nobody waits for"),
    Flaw.REST_NOT_SENT: (BATCH, "never ends"),
    Flaw.RETURNED_AT_ONCE: (ALONE, "is nowhere"),
}

SECOND = {
    Flaw.FIRST_AFTER_COUNTS: (ALONE, (9_657, 24_168)),
    Flaw.FIRST_UNCHECKED: (ALONE, (8_387, 20_424)),
    Flaw.ROW_NOT_ZEROED: ({**ALONE, "deaths": 2, "takes": 0}, (6_943, 15_600)),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_protocol_of_pools_holds_in_every_state(name):
    bounds, figures = WORLDS[name]
    check_sound(search(Configuration(**bounds)), figures)


@pytest.mark.soak
@pytest.mark.parametrize("name", LARGER_WORLDS)
def test_the_protocol_of_pools_holds_in_larger_worlds(name):
    bounds, figures = LARGER_WORLDS[name]
    check_sound(search(Configuration(**bounds)), figures)


@pytest.mark.parametrize(
    "flaw", [flaw for flaw in Flaw if flaw.does_damage], ids=lambda flaw: flaw.value
)
def test_a_broken_rule_of_pools_does_damage(flaw):
    bounds, damage = DAMAGE[flaw]
    check_damage(search(Configuration(**bounds, flaw=flaw)), flaw, damage)


@pytest.mark.parametrize(
    "flaw", [flaw for flaw in Flaw if not flaw.does_damage], ids=lambda flaw: flaw.value
)
def test_a_rule_of_pools_that_another_one_backs_does_no_damage_alone(flaw):
    bounds, figures = SECOND[flaw]
    check_sound(search(Configuration(**bounds, flaw=flaw)), figures)


@pytest.mark.parametrize("world", worlds_only_in(DAMAGE, WORLDS, Configuration))
def test_the_same_pool_is_sound_without_the_flaw(world, effort):
    result = search(world, max_states=effort.pick(1_000, 10_000, 100_000))
    assert result.violation is None, "\n".join(result.trace)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"workers": 0}, "workers is 0; give at least 1"),
        ({"batch": 0}, "batch is 0; give at least 1"),
        ({"deaths": -1}, "deaths is -1; give at least 0"),
        ({"retries": -1}, "retries is -1; give at least 0"),
    ],
)
def test_bounds_that_make_no_pool_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        Configuration(**bounds)


def test_a_search_of_pools_that_is_stopped_says_so():
    check_stopped(search(Configuration(), max_states=100))


def test_the_command_searches_pools_and_tells_a_violation_by_its_status():
    sound = run("pool_model --workers 1 --calls 1 --late")
    assert sound.returncode == 0, sound.stderr
    assert "COMPLETE" in sound.stdout
    assert "workers 1 calls 1 batch 2" in sound.stdout
    broken = run("pool_model --workers 1 --calls 1 --flaw dead_not_ended")
    assert broken.returncode == 1, broken.stderr
    assert "VIOLATION: a call never ends" in broken.stdout
    assert "W0 takes 1 calls from 1 on" in broken.stdout


def test_the_command_refuses_pools_that_it_does_not_know():
    refused = run("pool_model --flaw nothing")
    assert refused.returncode == 2
    assert "finish_before_row" in refused.stderr
    assert "give at least 1" in run("pool_model --calls 0").stderr
