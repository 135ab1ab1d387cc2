"""Public docstrings are shown by `help()`, also for compiled classes, and their examples run."""

from __future__ import annotations

import doctest
import importlib
import inspect

import pytest

import pagebuddy


def own_members(public: type) -> dict[str, object]:
    """Return the public members of a class that are defined in this package."""
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
