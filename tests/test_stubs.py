"""What type checkers are told of the compiled classes is what is there, and what runs uncompiled."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy.buffers import uncompiled

compiled = pytest.importorskip("pagebuddy._compiled")

ROOT = Path(pagebuddy.__file__).parents[1]
CLASSES = ["BuddyAllocator", "Buffer", "Attachment", "BufferSource", "Request"]
CONSTRUCTED = ["BuddyAllocator", "Request"]

# Of the object protocol, what these classes have of their own.
OF_THE_LANGUAGE = {"__contains__", "__copy__", "__deepcopy__", "__enter__", "__exit__"}
OF_THE_LANGUAGE |= {"__len__", "__reduce__", "__repr__"}


def members(kind):
    """The public names of a class, and those of the language that it defines: what each is."""
    found = {}
    for name in dir(kind):
        thing = inspect.getattr_static(kind, name)
        is_ours = any(
            name in vars(base) and base.__module__.startswith("pagebuddy") for base in kind.__mro__
        )
        # Cython's own refuses to pickle what it knows no way to.
        is_ours = is_ours and getattr(thing, "__name__", "") != "__reduce_cython__"
        if is_ours and (not name.startswith("_") or name in OF_THE_LANGUAGE):
            found[name] = thing
    return found


def parameters(kind, name):
    """Name, kind and default of each parameter."""
    signature = inspect.signature(getattr(kind, name))
    return [
        (each.name, each.kind, each.default)
        for each in signature.parameters.values()
        if each.name not in ("self", "cls", "type")
    ]


def is_property(thing):
    return inspect.isdatadescriptor(thing)


@pytest.mark.parametrize("name", CLASSES)
def test_a_compiled_class_has_what_the_same_class_has_uncompiled(name):
    theirs, ours = (members(getattr(module, name)) for module in (compiled, uncompiled))
    assert theirs.keys() == ours.keys()
    assert {n for n in ours if is_property(ours[n])} == {
        n for n in theirs if is_property(theirs[n])
    }


@pytest.mark.parametrize("name", CLASSES)
def test_a_compiled_method_takes_what_it_takes_uncompiled(name):
    pair = getattr(compiled, name), getattr(uncompiled, name)
    methods = [n for n, thing in members(pair[1]).items() if not is_property(thing)]
    assert methods or name == "Request"
    for method in methods:
        theirs, ours = (parameters(kind, method) for kind in pair)
        assert theirs == ours, f"{name}.{method}"


@pytest.mark.parametrize("name", ["BuddyAllocator", "Buffer"])
def test_what_takes_no_keyword_compiled_says_so(name):
    """Compiled, a method of a single parameter takes no keyword, as that is how it is quick."""
    kind = getattr(uncompiled, name)
    methods = [n for n, thing in members(kind).items() if not is_property(thing)]
    public = [method for method in methods if not method.startswith("__")]
    for method in public:
        taken = parameters(kind, method)
        if len(taken) == 1 and taken[0][1] is not inspect.Parameter.KEYWORD_ONLY:
            assert taken[0][1] is inspect.Parameter.POSITIONAL_ONLY, f"{name}.{method}"


@pytest.mark.soak
def test_the_stub_names_what_is_there():
    pytest.importorskip("mypy")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy.stubtest", "pagebuddy._compiled", "--concise"),
            # What C needs of itself beside what is told.
            "--ignore-missing-stub",
        ],
        env=os.environ | {"MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", [*CLASSES, "describe_alloc", "mutex_of_this_build", "make_mutex"])
def test_the_stub_tells_of_all_that_others_use(name):
    stub = Path(compiled.__file__).with_name("_compiled.pyi").read_text()
    assert f" {name}\n" in stub or f"def {name}(" in stub
    assert hasattr(compiled, name)
