"""The verbs that change something: `reap` and `rm`."""

from __future__ import annotations

import json
import os
import pickle

import pytest

from pagebuddy import Arena, StaleHandle


def test_reap_frees_the_buffers_of_dead_processes(arena, name, die, pagebuddy_command):
    buffer = arena.alloc(5000)
    die(8000)
    die(70_000)
    # The second, by attaching, has reaped the first.
    assert pagebuddy_command("reap", name) == (
        0,
        "reaped 1 dead process; freed 72 KiB, 8 KiB still used\n",
        "",
    )
    assert (arena.stats().processes, arena.stats().n_spans) == (1, 1)
    assert pagebuddy_command("reap", name)[1].startswith("reaped 0 dead processes; freed 0 bytes")
    del buffer


def test_reap_ends_unclaimed_handles_of_an_age(arena, name, pagebuddy_command):
    buffer = arena.alloc(5000)
    handles = [pickle.dumps(buffer), pickle.dumps(buffer)]
    del buffer
    code, text, _ = pagebuddy_command("reap", name, "--unclaimed-after", "3600", "--json")
    assert (code, json.loads(text)) == (0, {"reaped": 0, "ended": 0, "freed_bytes": 0})
    assert pagebuddy_command("reap", name, "--unclaimed-after", "0") == (
        0,
        "reaped 0 dead processes, ended 2 handles; freed 8 KiB, 0 bytes still used\n",
        "",
    )
    assert arena.stats().tickets == 0
    with pytest.raises(StaleHandle):
        pickle.loads(handles[0])


def test_rm_removes_names_and_files_and_leaves_memory_in_use(name, tmp_path, pagebuddy_command):
    arena = Arena.create(name, "1 MiB")
    store = tmp_path / "store.pb"
    with Arena.file(store, "1 MiB"):
        pass
    code, text, complaint = pagebuddy_command("rm", name, store)
    still_used = "removed; 1 process still uses its memory, which is freed when the last one ends"
    assert (code, text, complaint) == (0, "", f"{name}: {still_used}\n")
    assert not store.exists()
    assert not os.path.exists(f"/dev/shm/{name}")
    assert arena.alloc(5).view[:] == bytes(5)


def test_rm_of_several_is_all_or_nothing(arena, name, tmp_path, refused):
    text = tmp_path / "text"
    text.write_text("precious")
    assert "is not an arena" in refused("rm", name, text)
    assert text.read_text() == "precious"
    assert os.path.exists(f"/dev/shm/{name}")


def test_rm_of_a_damaged_arena(arena, name, pagebuddy_command):
    os.truncate(f"/dev/shm/{name}", 100)
    assert pagebuddy_command("rm", name) == (0, "", "")
    assert not os.path.exists(f"/dev/shm/{name}")
