"""What the type checkers of users say of programs that use the public names.

Each checker runs once, over right programs, wrong programs and the examples, without our configuration.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy

pytestmark = pytest.mark.soak  # every day `make types` checks the package and the examples

SOURCE = Path(pagebuddy.__file__).parents[1]
ROOT = Path(__file__).parents[1]
RIGHT = Path(__file__).parent / "types" / "right.py"
WRONG = Path(__file__).parent / "types" / "wrong.py"
# Those of adapters need frameworks; `make types` checks them as far as it can without.
EXAMPLES = [
    path
    for path in sorted((ROOT / "examples").glob("*.py"))
    if "pagebuddy.adapters" not in path.read_text()
]

MARKED = [
    number
    for number, line in enumerate(WRONG.read_text().splitlines(), start=1)
    if "  # wrong: " in line
]


def errors_of_mypy(folder: Path) -> dict[Path, set[int]]:
    """The lines of each file in which mypy finds an error."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-pretty"),
            *("--cache-dir", folder, "--hide-error-context", "--no-error-summary"),
            *(RIGHT, WRONG, *EXAMPLES),
        ],
        cwd=folder,
        env=os.environ | {"MYPYPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.stderr == ""
    errors: dict[Path, set[int]] = {}
    for line in done.stdout.splitlines():
        if ": error: " in line:
            path, number, _ = line.split(":", 2)
            errors.setdefault((folder / path).resolve(), set()).add(int(number))
    return errors


def errors_of_basedpyright(folder: Path) -> dict[Path, set[int]]:
    """The lines of each file in which basedpyright finds an error."""
    settings = {
        "include": [str(path) for path in (RIGHT, WRONG, *EXAMPLES)],
        "extraPaths": [str(SOURCE)],
        "typeCheckingMode": "strict",
    }
    configuration = folder / "pyrightconfig.json"
    configuration.write_text(json.dumps(settings))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "basedpyright", "--outputjson"),
            *("--pythonpath", sys.executable, "--project", configuration),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
    )
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] >= 2 + len(EXAMPLES)
    errors: dict[Path, set[int]] = {}
    for found in told["generalDiagnostics"]:
        if found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            errors.setdefault(Path(found["file"]).resolve(), set()).add(line)
    return errors


CHECKERS = {"mypy": errors_of_mypy, "basedpyright": errors_of_basedpyright}


@pytest.fixture(scope="module", params=CHECKERS)
def errors(request, tmp_path_factory):
    """What one checker found, in a single run over all files."""
    pytest.importorskip(request.param)
    return CHECKERS[request.param](tmp_path_factory.mktemp(request.param))


def test_right_programs_are_clean_and_their_types_are_known(errors):
    assert errors.get(RIGHT, set()) == set()


def test_the_examples_are_clean(errors):
    assert len(EXAMPLES) == 7
    assert {path for path in EXAMPLES if path.resolve() in errors} == set()


def test_every_wrong_line_is_found_and_no_other(errors):
    assert sorted(errors[WRONG]) == MARKED
