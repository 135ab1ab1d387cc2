"""The command as a whole: what it needs, what it says of itself, terminals and pipes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import pagebuddy

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "ftrace-sample.txt.gz"
PACKAGES = Path(pagebuddy.__file__).parents[1]


def test_without_the_extras_it_names_them(tmp_path, refused):
    told = refused("--version", python=["-S"], code=3)  # -S: nothing but the standard library
    assert told.endswith("pip install 'pagebuddy[cli]'")
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError(name='matplotlib')")
    path = f"{PACKAGES}{os.pathsep}{tmp_path}"
    told = refused("replay", SAMPLE, "--picture", tmp_path / "a.png", code=3, PYTHONPATH=path)
    assert told.endswith("pip install 'pagebuddy[plot]'")


def test_version_and_help(pagebuddy_command):
    code, text, _ = pagebuddy_command("--version")
    assert code == 0
    assert text.startswith(f"pagebuddy {pagebuddy.__version__}, the engine is ")
    code, text, _ = pagebuddy_command("--help")
    assert code == 0
    assert "replay" in text
    code, text, _ = pagebuddy_command("replay", "--help")
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    assert "pagebuddy replay data/kernel-server.csv.gz --memory-map data/iomem.txt\n" in text


def test_in_a_terminal(small, surroundings, new_terminal):
    """With colour and a progress bar; the bar is not mixed into what is printed."""
    ours, theirs = new_terminal()
    command = [sys.executable, "-m", "pagebuddy", "replay", str(small[0])]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=surroundings | {"TERM": "xterm-256color"},
    )
    printed, _ = process.communicate(timeout=120)
    os.close(theirs)
    shown = b""
    # What it showed can arrive in several blocks; then the terminal without programs is an error.
    with suppress(OSError):
        while block := os.read(ours, 1 << 16):
            shown += block
    shown = shown.decode()
    os.close(ours)
    assert process.returncode == 0
    assert "replaying" in shown
    assert "100%" in shown
    assert "6 events" in shown
    assert b"replaying" not in printed
    assert b"\x1b" not in printed


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_leaves_early(small, options, surroundings):
    """As in `pagebuddy replay … | head -1`: no traceback."""
    command = [sys.executable, "-m", "pagebuddy", "replay", str(small[0]), *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings
    )
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    assert complaint == b""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["replay", "x", "--at", "no"], r"invalid value for '--at': 'no' is not one of .*'end'"),
        pytest.param(
            ["stat", "x", "--every", "no"],
            r"invalid value for '--every': .*(number|float)",
            marks=pytest.mark.soak,
        ),
        pytest.param(
            ["bench", "--rounds", "0"],
            r"invalid value for '--rounds': .*1",
            marks=pytest.mark.soak,
        ),
        (["ls", "--nope"], r"no such option: --nope"),
        (["nope"], r"no such command 'nope'"),
        pytest.param(["stat"], r"missing argument 'NAME'", marks=pytest.mark.soak),
    ],
    ids=lambda given: given[-1] if isinstance(given, list) else "",
)
def test_a_wrong_argument_is_told_like_other_errors(refused, arguments, told):
    verb = "" if arguments == ["nope"] else f" {arguments[0]}"
    complaint = refused(*arguments)
    assert re.fullmatch(rf"{told}; see: pagebuddy{verb} --help", complaint), complaint


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("latin-1", marks=pytest.mark.soak)])
@pytest.mark.parametrize("arguments", [["replay", "--help"], ["bench", "--rounds", "1"]])
def test_an_encoding_that_lacks_letters(surroundings, encoding, arguments):
    more = {"PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "pagebuddy", *arguments],
        env=surroundings | more,
        capture_output=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    # What typer prints itself is UTF-8 where that says ASCII: it does not believe it.
    assert len(done.stdout.decode(encoding, "replace").splitlines()) > 10
