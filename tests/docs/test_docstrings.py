"""Public docstrings: every call has one, their examples run, and the reference can show them."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import pagebuddy

DOCS = Path(__file__).parents[2] / "docs"


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
def test_every_public_call_says_what_it_does(public):
    assert inspect.getdoc(public)
    for name, member in own_members(public).items():
        if callable(member) or isinstance(member, classmethod | staticmethod | property):
            assert text_of(member), name


@pytest.mark.parametrize("name", ["BuddyAllocator", "Buffer"])
def test_examples_of_the_engines_classes_run_with_either_engine(engine, module, name):
    """With the files themselves the examples run everywhere; these are of what was compiled of them."""
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


@pytest.fixture(scope="module")
def docstrings() -> ModuleType:
    pytest.importorskip("griffe")
    spec = importlib.util.spec_from_file_location("docstrings", DOCS / "docstrings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_example_is_shown_as_one(docstrings):
    assert docstrings.as_markdown("Add.\n\n>>> 1 + 1\n2\n>>> 3\n3\n\nNo more.") == (
        "Add.\n\n```pycon\n>>> 1 + 1\n2\n>>> 3\n3\n```\n\nNo more."
    )


def test_what_is_given_is_shown_as_a_list(docstrings):
    text = "Make it.\n\nsize   in bytes,\n       or text\nn_old  a number\nOthers are refused."
    assert docstrings.as_markdown(text) == (
        "Make it.\n\n- `size`: in bytes,\n  or text\n- `n_old`: a number\n\nOthers are refused."
    )


def test_a_list_begins_after_an_empty_line(docstrings):
    text = "These hold:\n- one, and\n  more of it\n- two"
    assert docstrings.as_markdown(text) == "These hold:\n\n- one, and\n  more of it\n- two"


def test_public_names_are_links(docstrings):
    text = "`Arena.alloc` raises `OutOfPages`, `MemoryError` and [`Arena`](x.md)."
    assert docstrings.as_markdown(text, {"Arena", "OutOfPages"}) == (
        "[`Arena.alloc`][pagebuddy.Arena.alloc] raises [`OutOfPages`][pagebuddy.OutOfPages], "
        "`MemoryError` and [`Arena`](x.md)."
    )


def test_a_drawing_stays_as_it_is(docstrings):
    assert (
        docstrings.as_markdown("A tree:\n\n    a  b\n    c  d") == "A tree:\n\n    a  b\n    c  d"
    )
