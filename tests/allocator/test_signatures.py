"""The two engines show the same parameters in `help()`, editors and `inspect.signature`."""

from __future__ import annotations

import inspect
import pydoc

import pytest

from pagebuddy.allocator.buddy import BuddyAllocator as Uncompiled

METHODS = [
    name
    for name, method in inspect.getmembers(Uncompiled, inspect.isroutine)
    if not name.startswith("_")
]
PROPERTIES = ["max_order", "metadata", "n_orders", "n_pages", "page_bits", "page_size", "ranges"]


@pytest.fixture(scope="module")
def Compiled():
    return pytest.importorskip("pagebuddy._compiled").BuddyAllocator


def parameters(function):
    """Return name, kind and default of each parameter except `self`."""
    return [
        (each.name, each.kind, each.default)
        for each in inspect.signature(function).parameters.values()
        if each.name not in ("self", "cls", "type")
    ]


def test_the_constructor_has_the_same_parameters(Compiled):
    assert parameters(Compiled) == parameters(Uncompiled)
    assert parameters(Compiled.__init__) == parameters(Uncompiled)
    names = [name for name, _, _ in parameters(Compiled)]
    assert names == ["ranges", "page_size", "max_order", "metadata", "memory"]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_same_parameters_and_docstring(Compiled, name):
    compiled, uncompiled = getattr(Compiled, name), getattr(Uncompiled, name)
    assert parameters(compiled) == parameters(uncompiled)
    assert inspect.getdoc(compiled) == inspect.getdoc(uncompiled)


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_property_has_the_same_docstring(Compiled, name):
    docs = [inspect.getdoc(getattr(kind, name)) for kind in (Compiled, Uncompiled)]
    assert docs[0]
    assert docs[0] == docs[1]


def test_help_shows_the_parameters_and_the_docstring(Buddy):
    text = pydoc.plain(pydoc.render_doc(Buddy))
    first_lines = text[:600]
    for name, _, _ in parameters(Uncompiled):
        assert name in first_lines
    assert inspect.getdoc(Buddy).startswith("Allocates runs of pages")
    assert "--\n\n" not in text


def test_a_subclass_shows_the_same_parameters(Buddy):
    class Derived(Buddy):
        pass

    assert parameters(Derived) == parameters(Uncompiled)


@pytest.mark.parametrize("name", ["BuddyAllocator", *METHODS])
def test_a_docstring_names_every_parameter(name):
    thing = Uncompiled if name == "BuddyAllocator" else getattr(Uncompiled, name)
    doc = inspect.getdoc(thing)
    for parameter, _, _ in parameters(thing):
        assert f"\n{parameter} : " in doc, f"{name} does not describe {parameter}"
