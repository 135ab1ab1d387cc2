"""All public docstrings follow the rules, and each rule finds its fault."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pagebuddy

griffe = pytest.importorskip("griffe")

from tests.docs import docstring_rules  # noqa: E402

ROOT = Path(__file__).parents[2]

REFERENCE = {
    path
    for page in (ROOT / "docs" / "reference").glob("*.md")
    for path in re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
}

PUBLIC = {f"pagebuddy.{name}" for name in pagebuddy.__all__} - {
    "pagebuddy.COMPILED",
    "pagebuddy.__version__",
}


def test_public_docstrings_are_complete():
    package = griffe.load(
        "pagebuddy", search_paths=[ROOT / "src"], allow_inspection=False, submodules=True
    )
    checked = {}
    for path in sorted(PUBLIC | REFERENCE):
        for name, thing in docstring_rules.documented(package, path):
            # Report an object once, even if it has two public names or is inherited.
            checked.setdefault(thing.path, (name, docstring_rules.faults_of(thing)))
    told = [f"{name}: {fault}" for name, faults in checked.values() for fault in faults]
    assert len(checked) > 100
    assert told == [], f"{len(told)} faults:\n" + "\n".join(sorted(told))


GOOD = '''\
def take(n, *rest, wait=None) -> int:
    """Take pages.

    Parameters
    ----------
    n : int
        Number of pages.
    *rest : int
        More of them.
    wait : float, optional
        Seconds.

    Returns
    -------
    int
        The first page.

    Raises
    ------
    OutOfPages
        If there are none.
    """
'''


def faults_of(source: str) -> list[str]:
    module = griffe.visit("module", Path("module.py"), source)
    return docstring_rules.faults_of(next(iter(module.members.values())))


def test_a_complete_docstring_has_no_faults():
    assert faults_of(GOOD) == []


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ('"""Take pages.\n', '""""""\n    """', "no docstring"),
        ("Take pages.", "Take\n    pages.", "more than one line"),
        ("Take pages.", "Take pages", "period"),
        ("Take pages.", "Takes pages.", "imperative"),
        ("Take pages.", "The pages.", "verb"),
        ("n : int", "m : int", "parameter 'n' is not explained"),
        ("n : int", "m : int", "explains parameter 'm', which does not exist"),
        ("wait : float, optional", "wait : optional", "'wait' has no type"),
        ("        Seconds.\n", "", "'wait' has no text"),
        ("Returns\n    -------", "Gives\n    -----", "unknown section 'Gives'"),
        ("Returns\n    -------", "Gives\n    -----", "no section Returns"),
        ("Returns\n    -------", "Returns\n    ----", "another length"),
        ("Returns\n    -------", "Examples\n    --------", "order"),
        ("OutOfPages", "NoSuchError", "not an exception"),
        ("        If there are none.\n", "", "does not say when"),
    ],
)
def test_faults_are_found(right, wrong, fault):
    assert right in GOOD
    faults = faults_of(GOOD.replace(right, wrong))
    assert any(fault in found for found in faults), faults


def test_a_class_explains_the_parameters_of_its_constructor():
    source = 'class Row:\n    """A row."""\n\n    def __init__(self, page: int) -> None: ...\n'
    assert faults_of(source) == ["parameter 'page' is not explained"]
    attribute = "A row.\n\n    Attributes\n    ----------\n    page : int\n        A page.\n    "
    assert faults_of(source.replace("A row.", attribute)) == []
