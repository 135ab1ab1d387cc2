"""The verbs that look: `ls`, `stat` and `map`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from io import StringIO
from xml.etree import ElementTree

import pytest
from rich.console import Console

from pagebuddy import Arena
from pagebuddy.sharing.words import ENTRY_KEPT, ENTRY_WORDS
from pagebuddy.tools.arenas.keys_command import key_lines
from pagebuddy.tools.terminal.tables import add_figures, add_names, listing, name_cell
from pagebuddy.tools.terminal.units import in_bytes
from tests.sharing.old_tickets import make_old

SECONDS = 120


@pytest.fixture
def busy(arena, die):
    """The arena with 8 + 2 + 25 pages used: by this process, a dead one, and kept."""
    buffers = [arena.alloc(n) for n in (20_000, 10_000)]
    arena.alloc(100_000, keep="weights")
    die(8000)
    yield arena
    del buffers


def test_ls_prints_sizes_and_counts_the_dead(busy, name, pagebuddy_command):
    code, text, complaint = pagebuddy_command("ls", f"{name}*")
    head, _, row = text.splitlines()
    assert head.split() == ["name", "size", "used", "largest", "free", "processes", "dead"]
    largest = in_bytes(busy.stats().largest_free_bytes).split()
    assert row.split() == [name, "1", "MiB", "140", "KiB", *largest, "2", "1"]
    assert code == 0
    assert "cannot be read" in complaint or complaint == ""


def test_ls_json_has_the_figures_of_stats(busy, name, pagebuddy_command):
    code, text, _ = pagebuddy_command("ls", name, "--json")
    (row,) = json.loads(text)
    told = {"name": name, "path": f"/dev/shm/{name}"} | busy.stats().as_dict()
    assert (code, row) == (0, told | {"queues": [], "topics": []})


def test_ls_of_no_arena_prints_nothing(name, pagebuddy_command):
    assert pagebuddy_command("ls", name)[:2] == (1, "")
    code, text, _ = pagebuddy_command("ls", name, "--json")
    assert (code, json.loads(text)) == (1, [])


def test_ls_tells_what_is_damaged(arena, name, pagebuddy_command):
    with open(f"/dev/shm/{name}", "r+b") as file:
        file.seek(24)
        file.write(b"x")
    code, text, _ = pagebuddy_command("ls", name)
    assert code == 1
    assert f"{name} is damaged: " in text
    assert "header has the right checksum" in " ".join(text.split())
    code, text, _ = pagebuddy_command("ls", name, "--json")
    assert code == 1
    assert "checksum" in json.loads(text)[0]["error"]


def test_stat_prints_figures_processes_and_orders(busy, name, pagebuddy_command):
    code, text, complaint = pagebuddy_command("stat", name)
    assert (code, complaint) == (0, "")
    figures, processes, orders = (part.splitlines() for part in text.split("\n\n"))
    assert [line.split(maxsplit=1) for line in map(str.rstrip, figures)] == [
        ["arena", name],
        ["size", "1 MiB in 256 pages of 4 KiB"],
        ["used", "140 KiB, 13.7 %, in 4 buffers"],
        ["free", f"884 KiB, the largest run {in_bytes(busy.stats().largest_free_bytes)}"],
        ["kept", "1 buffer, of 1,024 keys"],
        ["dead", f"1 of 2 attached; run: pagebuddy reap {name}"],
    ]
    assert processes[0].split() == ["slot", "process", "name", "state", "buffers", "size"]
    assert processes[2].split()[:2] == ["1", str(os.getpid())]
    assert processes[2].split()[-4:] == ["alive", "2", "32", "KiB"]
    assert processes[3].split()[-4:] == ["dead", "1", "8", "KiB"]
    assert len(orders) == 1 + len(busy.stats().free_blocks)


SENDS = "import sys, pagebuddy; pagebuddy.Arena.attach(sys.argv[1]).alloc(5000).handle()"


def test_stat_names_who_sent_unclaimed_handles_the_oldest_first(arena, name, pagebuddy_command):
    subprocess.run([sys.executable, "-c", SENDS, name], check=True, timeout=SECONDS)
    make_old(arena, 90_000)
    buffer = arena.alloc(9000)
    handles = [buffer.handle() for _ in range(2)]
    lines = pagebuddy_command("stat", name)[1].splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("sent"))
    assert lines[at].split() == ["sent", "3", "handles", "not", "yet", "claimed"]
    assert re.search("1 handle, 4.88 KiB, the oldest 9. s old, by an ended process", lines[at + 1])
    assert re.search(f"2 handles, 8.79 KiB, the oldest . s old, by {os.getpid()} ", lines[at + 2])
    del handles


def test_stat_json_has_the_figures_and_the_processes(busy, name, pagebuddy_command):
    code, text, complaint = pagebuddy_command("stat", name, "--json")
    figures = json.loads(text)
    attached = figures.pop("attached")
    assert (figures.pop("queues"), figures.pop("topics")) == ([], [])
    assert (code, complaint) == (0, "")
    assert figures == {"name": name, "path": f"/dev/shm/{name}"} | busy.stats().as_dict()
    assert [(row["slot"], row["alive"], row["buffers"]) for row in attached] == [
        (1, True, 2),
        (2, False, 1),
    ]


def test_stat_reads_a_file_that_no_process_has_open(tmp_path, pagebuddy_command):
    path = tmp_path / "store.pb"
    with Arena.file(path, "1 MiB") as arena:
        arena.alloc(5000, keep="weights")
    del arena
    code, text, _ = pagebuddy_command("stat", path, "--json")
    figures = json.loads(text)
    assert (code, figures["processes"], figures["used"], figures["kept"]) == (0, 0, 2, 1)
    code, text, _ = pagebuddy_command("stat", path)
    assert code == 0
    assert text.startswith("arena")


@pytest.mark.parametrize("verb", ["stat", "rm"])
def test_a_shell_completes_names(arena, name, surroundings, verb):
    typed = {"COMP_WORDS": f"pagebuddy {verb} {name[:-1]}", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "pagebuddy"],
        env=surroundings | typed | {"_PAGEBUDDY_COMPLETE": "complete_bash"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
    )
    assert name in done.stdout.splitlines()


def watch(surroundings, *arguments, **more):
    return subprocess.Popen(
        [sys.executable, "-m", "pagebuddy", "stat", "--watch", "--every", "0.01", *arguments],
        env=surroundings,
        stdin=subprocess.DEVNULL,
        **more,
    )


def test_watching_sees_changes_and_the_end(arena, name, surroundings):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with watch(surroundings, name, "--json", **pipes) as watcher:
        assert json.loads(watcher.stdout.readline())["used"] == 0
        buffer = arena.alloc(5000)
        while json.loads(watcher.stdout.readline())["used"] != 2:
            pass
        arena.unlink()
        _, complaint = watcher.communicate(timeout=SECONDS)
    assert (watcher.returncode, complaint) == (0, f"/dev/shm/{name} was removed\n")
    del buffer


def test_watching_piped_prints_a_line_each_time_until_interrupted(arena, name, surroundings):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with watch(surroundings, name, **pipes) as watcher:
        lines = [watcher.stdout.readline() for _ in range(3)]
        watcher.send_signal(2)
        _, complaint = watcher.communicate(timeout=SECONDS)
    told = "0 bytes used in 0 buffers, largest free 1 MiB, 1 process\n"
    assert [line.split("  ", 1)[1] for line in lines] == [told] * 3
    assert (watcher.returncode, complaint) == (0, "")


def test_watching_ends_quietly_when_its_reader_ends(arena, name, surroundings):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    watcher = watch(surroundings, name, **pipes)
    watcher.stdout.readline()
    watcher.stdout.close()
    assert watcher.stderr.read() == ""
    watcher.stderr.close()
    assert watcher.wait(timeout=SECONDS) == 0


def test_watching_in_a_terminal_ends_when_the_arena_is_removed(
    arena, name, surroundings, new_terminal
):
    ours, theirs = new_terminal()
    try:
        terminal = surroundings | {"TERM": "xterm", "LINES": "40"}
        with watch(terminal, name, stdout=theirs, stderr=theirs) as watcher:
            os.close(theirs)
            seen = b""
            while b"alive" not in seen or seen.count(name.encode()) < 2:
                seen += os.read(ours, 1 << 16)
            arena.unlink()
            try:
                while data := os.read(ours, 1 << 16):
                    seen += data
            except OSError:
                pass  # the other end is closed
        assert watcher.returncode == 0
        assert b"was removed" in seen
    finally:
        os.close(ours)


def test_map_draws_memory_by_order_and_by_holder(busy, name, pagebuddy_command):
    code, text, complaint = pagebuddy_command("map", name)
    title, *rows = text.splitlines()
    assert (code, complaint) == (0, "")
    assert title == f"{name}: 140 KiB of 1 MiB used, 13.7 %"
    assert rows[0].startswith("0x00000 ████")
    code, text, _ = pagebuddy_command("map", name, "--by", "holder")
    assert code == 0
    assert f"B {os.getpid()} " in text
    assert ": 32 KiB in 2 spans" in text
    assert "A kept: 100 KiB in 1 span" in text
    assert "C dead " in text


def test_map_draws_svg_files(busy, name, pagebuddy_command, tmp_path):
    for more in ((), ("--by", "holder"), ("--tree", "0", "--order", "4")):
        path = tmp_path / f"{len(more)}.svg"
        code, text, complaint = pagebuddy_command("map", name, *more, "--svg", path)
        assert (code, complaint) == (0, "")
        assert text
        ElementTree.parse(path)


def test_map_draws_the_tree_of_a_block(busy, name, pagebuddy_command):
    code, text, _ = pagebuddy_command("map", name, "--tree", "7", "--order", "3")
    assert code == 0
    assert text.startswith("the block of order 3 at page 0: 32 KiB from 0x0\n")
    assert pagebuddy_command("map", name, "--tree", "7")[1].startswith("the block of order 8 at")


def test_map_draws_an_arena_without_buffers(arena, name, pagebuddy_command):
    for by in ("order", "holder"):
        code, text, complaint = pagebuddy_command("map", name, "--by", by)
        assert (code, complaint) == (0, "")
        assert text.startswith(f"{name}: 0 bytes of 1 MiB used, 0 %\n")


def test_map_says_which_argument_is_wrong(arena, name, refused, tmp_path):
    assert "outside the page ranges" in refused("map", name, "--tree", "256")
    assert "order" in refused("map", name, "--tree", "0", "--order", "9")
    assert "--tree PAGE" in refused("map", name, "--order", "2")
    assert "must end in .svg" in refused("map", name, "--svg", tmp_path / "map.png")
    assert "No such file" in refused("map", name, "--svg", tmp_path / "none" / "map.svg")


EVIL = "pagebuddy\x1b]0;owned\x07\x1b[2Jred\nfake      1 TiB"


def test_names_that_others_chose_do_not_control_the_terminal(arena, name, surroundings, effort):
    path = f"/dev/shm/{EVIL}-{os.getpid()}"
    shutil.copyfile(f"/dev/shm/{name}", path)
    try:
        verbs = [["ls"], ["map", path], ["ls", "--json"], ["stat", path], ["check", path]]
        for arguments in verbs[: effort.pick(2, 5, 5)]:
            done = subprocess.run(
                [sys.executable, "-m", "pagebuddy", *arguments],
                capture_output=True,
                env=surroundings,
                timeout=SECONDS,
            )
            told = done.stdout + done.stderr
            assert b"owned" in told, arguments
            assert not {b"\x1b"[0], b"\x07"[0]} & set(told), arguments
            assert b"\nfake" not in told, arguments
    finally:
        os.unlink(path)


def test_ls_says_that_there_is_no_such_arena(arena, name, pagebuddy_command):
    code, text, complaint = pagebuddy_command("ls", f"{name}-x")
    assert (code, text) == (1, "")
    assert complaint == f"pagebuddy: no arena is named {name}-x; `pagebuddy ls` lists all arenas\n"
    code, text, complaint = pagebuddy_command("ls", name, f"{name}-x*", "--json")
    assert code == 1
    assert [row["name"] for row in json.loads(text)] == [name]
    assert complaint.startswith(f"pagebuddy: no arena has a name like {name}-x*; ")


def test_keys_are_listed_with_size_age_and_holders(arena, name, pagebuddy_command):
    assert pagebuddy_command("keys", name)[:2] == (0, f"{name} has no buffers under a key\n")
    held = arena.alloc(5000, keep="weights \x1b[2J")
    arena.alloc(1, keep="a" * 47).release()
    arena.alloc(1, keep=True).release()
    layout, words = arena._attachment.layout, arena._attachment.memory
    words[layout.entries_at + 2 * ENTRY_WORDS + ENTRY_KEPT] -= 7_300_000
    code, text, _ = pagebuddy_command("keys", name)
    assert code == 0
    heading, _, first, second = [line.split() for line in text.splitlines()]
    assert heading == ["key", "size", "age", "holders"]
    assert first[1:] == ["1", "bytes", "2", "h", "-"]
    assert second[:4] == ["weights", r"\x1b[2J", "4.88", "KiB"]
    assert second[5:7] == ["s", str(os.getpid())]
    _, text, _ = pagebuddy_command("keys", name, "--json")
    rows = json.loads(text)
    assert [(row["key"], row["nbytes"], row["holders"]) for row in rows] == [
        ("a" * 47, 1, []),
        ("weights \x1b[2J", 5000, [os.getpid()]),
    ]
    assert rows[0]["age"] > 7300 > rows[1]["age"] >= 0
    held.release()


def test_objects_are_listed_with_their_kind(arena, name, pagebuddy_command):
    arena.objects["weights"] = [1, 2]
    arena.alloc(5, keep="weights").release()
    _, text, _ = pagebuddy_command("keys", name)
    heading, _, *rows = [line.split() for line in text.splitlines()]
    assert heading == ["key", "kind", "size", "age", "holders"]
    assert sorted(row[:2] for row in rows) == [["weights", "buffer"], ["weights", "object"]]
    _, text, _ = pagebuddy_command("keys", name, "--json")
    assert sorted(row["kind"] for row in json.loads(text)) == ["buffer", "object"]
    arena.objects.clear()


def test_long_names_do_not_wrap_the_table(pagebuddy_command):
    name = f"pagebuddy-{os.getpid()}-" + "x" * 70
    with Arena.create(name, "1 MiB") as arena:
        _, text, _ = pagebuddy_command("ls", name)
        arena.unlink()
    head, _, row = text.splitlines()
    assert row.split()[0][-1] == "…"
    assert row.split()[1:] == ["1", "MiB", "0", "bytes", "1", "MiB", "1", "-"]
    assert head.split()[:2] == ["name", "size"]


LONG = "the-weights-of-a-model-" + "x" * 100


@pytest.fixture
def told():
    """What is printed, in so many columns."""

    def print_in(columns, *parts):
        with StringIO() as file:
            Console(file=file, width=columns).print(*parts, sep="\n")
            return file.getvalue()

    return print_in


@pytest.mark.parametrize("columns", [80, 60])
def test_names_in_tables_give_way_to_the_numbers_beside_them(told, columns):
    table = listing()
    add_figures(table, "slot")
    add_names(table, "name")
    add_figures(table, "size", "largest free", "processes")
    for name in ("frames", "two words " * 20, LONG):
        table.add_row("1,234", name_cell(name), "1,023 KiB", "1,023 KiB", "99")
    lines = told(columns, table).splitlines()
    assert len(lines) == 2 + 3
    assert ["…" in line for line in lines] == [False] * 3 + [True] * 2
    assert all(line.split()[-5:] == ["1,023", "KiB", "1,023", "KiB", "99"] for line in lines[2:])


def test_keys_beside_figures_are_shortened(told):
    with Arena("1 MiB") as arena:
        arena.alloc(5000, keep="k" * 47).release()
        rows = [row for row in arena.buffers() if row.key]
        assert told(40, *key_lines(rows, 1, 40)) == f"{'k' * 22}…: 4.88 KiB at 0x0\n"
        assert told(80, *key_lines(rows, 1, 80)) == f"{'k' * 47}: 4.88 KiB at 0x0\n"


def test_in_a_narrow_terminal_keys_are_lines(arena, name, pagebuddy_command):
    held = arena.alloc(5000, keep="k" * 47)
    code, text, _ = pagebuddy_command("keys", name, COLUMNS="40")
    assert code == 0
    # A key longer than the terminal goes on in the next line.
    first, second, *rest = text.splitlines()
    assert first + second == "k" * 47
    figures = " ".join(" ".join(rest).split())
    assert re.match(rf"4\.88 KiB, kept \d+ s ago, held by {os.getpid()} ", figures)
    held.release()


def test_rm_prints_what_it_removed_as_json(arena, name, pagebuddy_command):
    code, text, complaint = pagebuddy_command("rm", name, "--json")
    assert (code, complaint) == (0, "")
    assert json.loads(text) == [{"name": name, "path": f"/dev/shm/{name}", "processes": 1}]


def test_map_names_the_keys(arena, name, pagebuddy_command):
    for n in range(22):
        arena.alloc(1, keep=f"key {n:02}").release()
    _, text, _ = pagebuddy_command("map", name)
    lines = text.splitlines()
    at = lines.index("keys")
    assert lines[at + 1] == "key 00: 1 bytes at 0x0"
    assert lines[at + 20 :] == ["key 19: 1 bytes at 0x13000", "and 2 more keys"]


def test_map_prints_buffers_and_free_blocks_as_json(busy, name, pagebuddy_command):
    code, text, _ = pagebuddy_command("map", name, "--json")
    assert code == 0
    figures = json.loads(text)
    assert [row["key"] for row in figures["buffers"] if row["key"]] == ["weights"]
    n_bytes = sum(row["n_pages"] * 4096 for row in figures["buffers"])
    assert n_bytes == figures["used_bytes"]
    assert sum(block["nbytes"] for block in figures["free"]) == figures["free_bytes"]


def test_map_draws_png_files(arena, name, pagebuddy_command, refused, tmp_path):
    pytest.importorskip("matplotlib")
    assert pagebuddy_command("map", name, "--png", tmp_path / "a.png")[0] == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "must end in .png" in refused("map", name, "--png", tmp_path / "a.pdf")
