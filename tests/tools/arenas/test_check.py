"""The verb `check`: what is wrong with an arena, and what can be saved."""

from __future__ import annotations

import json
import os

import pytest

from pagebuddy import Arena
from pagebuddy.core.words import FIRST_NODE, H_MASK
from pagebuddy.sharing.words import A_BUSY, A_PAGES, A_POISONED

LIVE = 1 << 63


def words_of(arena):
    """Where the words are that these tests damage: of the engine, and of the first page's record."""
    layout = arena._attachment.layout
    return layout.metadata_at, layout.metadata_at + layout.geometry.records_at + FIRST_NODE


@pytest.fixture
def store(tmp_path):
    """The path of an arena with two kept buffers that nobody is attached to, and its words' places."""
    path = tmp_path / "store.pb"
    with Arena.file(path, "1 MiB") as arena:
        arena.alloc(5000, keep="weights").view[:3] = b"abc"
        arena.alloc(9000, keep="../a key").view[:3] = b"xyz"
        places = words_of(arena)
    del arena
    return path, *places


def poke(path, at, word):
    with open(path, "r+b") as file:
        file.seek(8 * at)
        file.write(word.to_bytes(8, "little"))


def told(text):
    """What it told, by name; a long line goes on in the next."""
    figures, name = {}, ""
    for line in text.split("\n\n")[0].splitlines():
        if not line.startswith(" "):
            name, line = line.split(maxsplit=1) if "to save" not in line else ("to save", line[7:])
            figures.setdefault(name, "")
        figures[name] = f"{figures[name]} {line.strip()}".strip()
    return figures


def test_a_sound_arena_is_told_and_not_changed(store, pagebuddy_command):
    path, *_ = store
    before = path.read_bytes()
    code, text, complaint = pagebuddy_command("check", path)
    assert (code, complaint) == (0, "")
    figures = told(text)
    # The path may be too long for a line.
    assert "".join(figures.pop("arena").split()) == str(path)
    assert figures == {
        "sound": "all invariants hold",
        "buffers": "2 buffers, 13.7 KiB, 2 of them kept",
    }
    assert path.read_bytes() == before


def test_an_arena_in_use_with_a_dead_process_is_sound(arena, name, die, pagebuddy_command):
    buffer = arena.alloc(5000)
    die(5000)
    code, text, _ = pagebuddy_command("check", name)
    assert (code, told(text)["sound"]) == (0, "all invariants hold")
    assert told(text)["buffers"] == "1 buffer, 8 KiB, 0 of them kept"
    del buffer


def damage(store, kind):
    path, engine, record = store
    if "mask" in kind:
        poke(path, engine + H_MASK, 77)
    if "busy" in kind:
        poke(path, A_BUSY, 2 << 32 | 1)
    if kind == "record inside":
        poke(path, record + 1, LIVE | 1 << 32 | 1)
    elif kind == "too long":
        poke(path, record, LIVE | 4000 << 32 | 1)
    elif kind == "poisoned":
        poke(path, A_POISONED, 1)
    elif kind == "header":
        poke(path, A_PAGES, 99)
    elif kind == "cut":
        os.truncate(path, 4096)
    elif kind == "cut in a header":
        os.truncate(path, 100)
    return path


KINDS = {
    # kind: what is wrong, whether it is mended, how many buffers can be saved
    "mask": ("the mask marks exactly the lists that are not empty", True, 2),
    "too long": ("a live span has at least one page", False, 2),
    "busy": ("a process died in the middle of an operation", True, 2),
    "busy, mask": ("the mask marks exactly the lists that are not empty", True, 2),
    "poisoned": ("its records contradict each other", False, 2),
    "header": ("its header has the right checksum", False, 0),
    "cut": ("the file is too short: ", False, 0),
    "cut in a header": ("it is at least as long as a header (it has 100 bytes)", False, 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_arena_is_told_with_what_is_wrong_and_not_changed(
    store, kind, pagebuddy_command, tmp_path
):
    path = damage(store, kind)
    before = path.read_bytes()
    wrong, mends, n_buffers = KINDS[kind]
    code, text, complaint = pagebuddy_command("check", path)
    assert (code, complaint) == (1, "")
    figures = told(text)
    assert wrong in figures["WRONG"]  # all of them, one behind the other
    assert ("next process that uses" in figures["repair"]) is mends
    assert figures["buffers"].startswith(f"{n_buffers} buffers, ")
    assert ("to save" in figures) is (n_buffers > 0)
    assert ("weights" in text) is (n_buffers > 0)

    saved = tmp_path / "saved"
    code, text, _ = pagebuddy_command("check", path, "--json", "--save", saved)
    found = json.loads(text)
    assert (code, found["sound"], found["mends"], found["saved"]) == (1, False, mends, n_buffers)
    assert wrong in found["wrong"][-1]
    assert len(found["wrong"]) == 1 + kind.count(",")
    files = sorted(os.listdir(saved)) if n_buffers else []
    assert files == ["0x0-weights", "0x4000-..%2Fa%20key"][:n_buffers]
    if files:
        assert (saved / files[0]).read_bytes() == b"abc" + bytes(4997)
        assert (saved / files[1]).read_bytes() == b"xyz" + bytes(8997)
    assert path.read_bytes() == before


def test_buffers_that_overlap_are_doubtful(store, pagebuddy_command):
    code, text, _ = pagebuddy_command("check", damage(store, "record inside"), "--json")
    found = json.loads(text)
    assert (code, found["sound"]) == (1, False)
    rows = [(row["offset"], row["n_pages"], row["doubtful"]) for row in found["buffers"]]
    assert rows == [(0, 2, True), (4096, 1, True), (16384, 3, False)]


def test_of_one_that_was_cut_short_what_is_there_is_saved(store, pagebuddy_command, tmp_path):
    path, *_ = store
    with Arena.file(path) as arena:
        data = arena._attachment.layout.data_at
        assert arena["../a key"].offset == 4 * 4096
    del arena
    # In the middle of the second one.
    os.truncate(path, data + 5 * 4096)
    saved = tmp_path / "saved"
    code, text, _ = pagebuddy_command("check", path, "--json", "--save", saved)
    found = json.loads(text)
    assert (code, found["sound"], found["mends"], found["saved"]) == (1, False, False, 2)
    assert found["wrong"] == [f"the file is too short: {(1 << 20) - 5 * 4096:,} bytes are missing"]
    assert [(row["key"], row["doubtful"]) for row in found["buffers"]] == [
        ("weights", False),
        ("../a key", True),
    ]
    whole, part = sorted(os.listdir(saved))
    assert (saved / whole).read_bytes() == b"abc" + bytes(4997)
    assert (saved / part).read_bytes() == b"xyz" + bytes(4096 - 3)
    code, text, complaint = pagebuddy_command("stat", path)
    assert (code, text) == (1, "")
    assert complaint.startswith(f"pagebuddy: {path} is damaged: violated invariant: ")
    assert complaint.endswith(f"; run: pagebuddy check {path}\n")


def test_an_arena_in_use_that_is_damaged(arena, name, pagebuddy_command):
    engine, _ = words_of(arena)
    arena.alloc(5000, keep="weights")
    arena._attachment.memory[engine + H_MASK] += 7
    code, text, _ = pagebuddy_command("check", name)
    assert code == 1
    assert "the mask marks exactly" in told(text)["WRONG"]
    assert told(text)["repair"].startswith("automatic, by the next process")
    arena.recover()
    assert pagebuddy_command("check", name)[0] == 0


def test_no_key_commands_the_terminal_that_it_is_shown_in(tmp_path, pagebuddy_command):
    path = tmp_path / "store.pb"
    with Arena.file(path, "1 MiB") as arena:
        arena.alloc(5000, keep="\x1b[31mred\n")
        engine, _ = words_of(arena)
    del arena
    poke(path, engine + H_MASK, 77)
    code, text, _ = pagebuddy_command("check", path)
    assert code == 1
    assert text.splitlines()[-1].split() == ["\\x1b[31mred\\n", "0x0", "4.88", "KiB"]


def test_nothing_is_written_over(store, pagebuddy_command, refused, tmp_path):
    path, *_ = store
    assert pagebuddy_command("check", path, "--save", tmp_path / "saved")[0] == 0
    assert "File exists" in refused("check", path, "--save", tmp_path / "saved")
