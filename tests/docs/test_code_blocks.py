"""Every code block in the README and the documentation runs, page by page, with both engines."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import pagebuddy

fcntl = pytest.importorskip("fcntl")
pytest.importorskip("numpy")
pytest.importorskip("markdown_it")

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).parent / "run_page.py"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EVERY_DAY = ["README.md", "docs/tutorial.md"]
# The extension `_numpy` is for the compiled engine alone.
COMPILED_ONLY = ["docs/howto/numpy-memory.md"]
# What pages about frameworks need besides numpy. `make adapters` runs them.
NEEDS = {
    "docs/howto/dask.md": ("distributed",),
    "docs/howto/joblib.md": ("joblib", "cloudpickle"),
    "docs/howto/monitoring.md": ("prometheus_client",),
    "docs/howto/polars.md": ("polars", "pyarrow"),
    "docs/howto/ray.md": ("ray",),
    "docs/howto/torch.md": ("torch",),
}
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]

SHARED = Path("/dev/shm")
TURNS = Path(tempfile.gettempdir(), f"pagebuddy-pages-{os.getuid()}.lock")

spec = importlib.util.spec_from_file_location("run_page", RUNNER)
run_page = importlib.util.module_from_spec(spec)
sys.modules["run_page"] = run_page
spec.loader.exec_module(run_page)


@pytest.fixture
def run(engine, tmp_path):
    """Run a page in its own folder. Return its status, stdout and stderr."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in {"python": "", "pagebuddy": "-m pagebuddy"}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        program.chmod(0o755)
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / "data").symlink_to(ROOT / "data")
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(pagebuddy.__file__).parents[1]),
        # Python 3.12 and 3.13 warn if a process that has threads forks, and their pools fork by default.
        "PYTHONWARNINGS": "error,ignore:This process:DeprecationWarning",
        "PAGEBUDDY_PURE": "1" if engine == "uncompiled" else "0",
        "COLUMNS": "80",
    }

    def run_in_its_folder(page: Path) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, RUNNER, page],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        return done.returncode, done.stdout, done.stderr

    return run_in_its_folder


@contextmanager
def names_of_arenas(page: Path) -> Iterator[list[Path]]:
    """Yield the paths of a page's arenas, and remove them before and after. Pages run one at a time."""
    names = set(re.findall(r'Arena\.\w+\("([\w.-]+)"', page.read_text(encoding="utf-8")))
    paths = [SHARED / name for name in sorted(names)]
    with open(TURNS, "a") as turns:
        fcntl.flock(turns, fcntl.LOCK_EX)
        for path in paths:
            path.unlink(missing_ok=True)
        try:
            yield paths
        finally:
            for path in paths:
                path.unlink(missing_ok=True)


def blocks_of(page: Path) -> list:
    return list(run_page.blocks_of(page.read_text(encoding="utf-8")))


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    if name in NEEDS:
        return [pytest.mark.frameworks]
    return [] if name in EVERY_DAY else [pytest.mark.soak]


@pytest.mark.skipif(sys.platform != "linux", reason="arenas are shared on Linux alone")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=marks_of(name))
        for name, page in zip(NAMES, PAGES, strict=True)
        if {block.kind for block in blocks_of(page)} & {"pycon", "python", "console"}
    ],
)
def test_a_page_does_what_it_says(run, engine, name):
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package)
    if name in NEEDS and engine == "uncompiled":
        pytest.skip("it is run with the compiled engine alone")
    if name in COMPILED_ONLY:
        pytest.importorskip("pagebuddy._numpy")
        if engine == "uncompiled":
            pytest.skip("what the page is about needs the compiled engine")
    with names_of_arenas(ROOT / name) as names:
        status, printed, complaints = run(ROOT / name)
        left = [path.name for path in names if path.exists()]
    assert (status, printed, complaints) == (0, "", ""), printed + complaints
    assert left == [], "a page removes the arenas that it made"


@pytest.mark.parametrize("name", NAMES)
def test_every_block_says_what_it_is(name):
    for block in blocks_of(ROOT / name):
        where = f"{name}:{block.line}"
        assert block.kind in run_page.KINDS, f"{where}: say behind the fence what this is"
        if block.kind == "sh":
            for line in block.text.splitlines():
                assert f"{line} ".startswith(run_page.FOR_THE_READER), f"{where}: {line}"
        else:
            looks_like_a_session = block.text.startswith(">>> ")
            assert looks_like_a_session == (block.kind == "pycon"), where


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("pycon\n>>> 1 + 1\n3\n", "Expected:\n    3\nGot:\n    2\n"),
        ("python\nassert 1 == 2\n", "AssertionError"),
        ("python\nimport sys; sys.stderr.write('hello')\n", "hello"),
        ("python\nprint('hello')\n", "hello"),
        ("console\n$ echo hello\nbye\n", "hello"),
        ("console\n$ false\n", "status 1"),
        ("python\nimport warnings; warnings.warn('hello')\n", "hello"),
        (
            'python title="a.py"\nraise ValueError(5)\n```\n\n```console\n$ python a.py\n',
            "ValueError: 5",
        ),
    ],
)
def test_a_page_that_is_wrong_is_found_out(run, tmp_path, block, says):
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n```{block}```\n", encoding="utf-8")
    status, printed, complaints = run(page)
    assert (status, printed, complaints) != (0, "", "")
    assert says in printed + complaints


ONE_SESSION = r"""
```pycon
>>> a = 5

```

```python
def add(b):
    return a + b
```

```pycon
>>> import pickle
>>> pickle.loads(pickle.dumps(add))(1)
6

```

```python title="b.py"
print("one", "two")
```

- in a list:

    ```console
    $ python b.py \
      | tr a-z A-Z
    ONE ...
    ```
"""


def test_blocks_of_a_page_are_one_session(run, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(ONE_SESSION, encoding="utf-8")
    assert run(page) == (0, "", "")
