"""Public docstrings: they keep the rules, their examples run, and compiled classes have them too."""

from __future__ import annotations

import doctest
import importlib
import inspect
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


def own_members(public: type) -> dict[str, object]:
    """The public members that a class has from this package."""
    found = {}
    for base in public.__mro__:
        if base.__module__.startswith("pagebuddy"):
            found = {
                name: value for name, value in vars(base).items() if not name.startswith("_")
            } | found
    return found


def text_of(member: object) -> str:
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    return inspect.getdoc(member) or ""


CLASSES = [
    value for name in pagebuddy.__all__ if isinstance(value := getattr(pagebuddy, name), type)
]


@pytest.mark.parametrize("public", CLASSES, ids=lambda public: public.__name__)
def test_help_shows_a_docstring_for_every_public_name(public):
    """Also for compiled classes."""
    assert inspect.getdoc(public)
    for name, member in own_members(public).items():
        if callable(member) or isinstance(member, classmethod | staticmethod | property):
            assert text_of(member), name


@pytest.mark.parametrize("name", ["BuddyAllocator", "Buffer"])
def test_examples_of_the_engines_classes_run_with_either_engine(engine, module, name):
    """The other doctests run the uncompiled files; this one runs the compiled classes' examples too."""
    if engine == "uncompiled":
        module = {
            "BuddyAllocator": "pagebuddy.allocator.buddy",
            "Buffer": "pagebuddy.buffers.buffer",
        }[name]
    public = getattr(importlib.import_module(module), name)
    texts = {name: public.__doc__} | {
        member: text_of(value) for member, value in own_members(public).items()
    }
    ran = 0
    for member, text in texts.items():
        examples = doctest.DocTestParser().get_doctest(
            text, {name: public}, f"{name}.{member}", None, None
        )
        told: list[str] = []
        result = doctest.DocTestRunner(verbose=False).run(examples, out=told.append)
        assert result.failed == 0, "".join(told)
        ran += result.attempted
    assert ran > 5
