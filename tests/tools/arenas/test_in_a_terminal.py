"""Every verb about arenas in a real terminal, of 80 columns and of fewer: what a new user sees."""

from __future__ import annotations

import os

import pytest

from pagebuddy import Arena

pytestmark = pytest.mark.soak  # each test starts programs

KEY = "the-weights-of-a-model-with-a-rather-long-name"


@pytest.fixture
def long_name(name):
    """As long as a name may be, and so wider than the terminal."""
    longest = name.ljust(100, "x")
    yield longest
    if os.path.exists(f"/dev/shm/{longest}"):
        os.unlink(f"/dev/shm/{longest}")


@pytest.fixture
def busy(long_name):
    """An arena of that name, with many buffers, one of them kept."""
    with Arena.create(long_name, "64 MiB") as arena:
        buffers = [arena.alloc(5000 * i) for i in range(1, 60)]
        arena.alloc(100_000, keep=KEY)
        del buffers[::3]
        yield arena
        del buffers


@pytest.mark.parametrize(
    "columns", [*(pytest.param(n, marks=pytest.mark.soak) for n in (80, 50)), 40]
)
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ls"], "64 MiB"),
        (["keys"], "97.7 KiB"),
        (["stat"], "buffers"),
        (["map"], "each character is"),
        (["map", "--by", "holder"], "A "),
        (["map", "--tree", "0"], "order"),
        (["check"], "all invariants hold"),
        (["reap"], "reaped "),
    ],
)
def test_a_verb_fits_the_terminal(busy, long_name, terminal, arguments, told, columns):
    verb, *options = arguments
    tree = "--tree" in options
    shown = terminal(verb, long_name, *options, columns=columns)
    assert shown.code == 0, shown.text
    assert told in " ".join(shown.text.split())
    # A name in a table, and a key below a map, give way to the numbers beside them.
    shortened = (verb == "ls" and columns == 80) or (verb == "map" and columns < 80 and not tree)
    if verb not in ("keys", "reap") and not tree and not (verb == "ls" and shortened):
        assert shown.text.count("x") >= long_name.count("x"), "no part of the name is left out"
    assert "Traceback" not in shown.text
    assert shown.text.count("…") == shortened, "nothing else is cut off"
    assert ("\x1b[" in shown.written) == (verb != "reap")


def test_what_is_piped_is_what_a_terminal_shows(busy, long_name, terminal, pagebuddy_command):
    for verb in ("map", "check"):
        code, text, complaint = pagebuddy_command(verb, long_name)
        assert (code, complaint) == (0, "")
        piped = [line.rstrip() for line in text.splitlines()]
        shown = [line.rstrip() for line in terminal(verb, long_name).text.splitlines()]
        # What colours mean is told otherwise where there are none.
        assert piped[:5] == shown[:5]


def test_an_arena_that_is_not_there(name, terminal):
    for verb in ("stat", "map", "check", "reap", "rm"):
        for columns in (80, 50):
            shown = terminal(verb, name, columns=columns)
            assert shown.code == 2
            told = " ".join(shown.text.split())
            assert told.startswith(f"pagebuddy: no arena is named {name}; ")
            assert told.endswith("lists all arenas")


def test_watching_until_interrupted(busy, long_name, terminal):
    shown = terminal("stat", long_name, "--watch", "--every", "0.01", interrupt_at="64 MiB in")
    assert shown.code == 0
    assert "Traceback" not in shown.text
