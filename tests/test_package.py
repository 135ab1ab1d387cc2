"""What the package is from outside: its names, its version, which engine it chose."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

import pagebuddy


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_version_is_that_of_the_project():
    assert pagebuddy.__version__ == version("pagebuddy")


def test_every_public_name_is_there():
    for name in pagebuddy.__all__:
        assert hasattr(pagebuddy, name), name


def test_dir_lists_every_public_name_and_no_helper():
    """In a fresh process: what is imported on first use is listed before."""
    listed = python("import pagebuddy; print(*dir(pagebuddy))").split()
    assert set(pagebuddy.__all__) <= set(listed)
    assert not {"Any", "TYPE_CHECKING", "annotations"} & set(listed)


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pagebuddy' has no attribute 'Arenaa'"):
        _ = pagebuddy.Arenaa


def test_a_name_that_is_imported_on_first_use_is_found_once():
    assert pagebuddy.ArenaQueue is vars(pagebuddy)["ArenaQueue"]
    assert pagebuddy.ArenaQueue.__name__ == "ArenaQueue"


def test_the_import_needs_only_the_standard_library():
    loaded = python("import pagebuddy, sys; print(*sorted(sys.modules))").split()
    outside = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    ours = {name for name in outside if "pagebuddy" in name or "cython" in name}
    # What an editable installation and the interpreter's own start bring along is not ours,
    # nor are the names under which a compiled extension keeps its types.
    start = python("import sys; print(*sorted(sys.modules))").split()
    assert outside - ours <= {name.partition(".")[0] for name in start}


def test_the_uncompiled_engine_can_be_chosen():
    assert python("import pagebuddy; print(pagebuddy.COMPILED)", PAGEBUDDY_PURE="1") == "False\n"


def test_the_compiled_engine_can_be_required():
    if not pagebuddy.COMPILED:
        pytest.skip("the extension was not built, or not chosen")
    code = "import pagebuddy; print(pagebuddy.COMPILED)"
    assert python(code, PAGEBUDDY_REQUIRE_COMPILED="1", PAGEBUDDY_PURE="0") == "True\n"


def test_without_numpy_batches_are_arrays():
    code = """
import sys
sys.modules["numpy"] = None
import pagebuddy
buddy = pagebuddy.BuddyAllocator(64)
pages = buddy.alloc_many(1, 3)
buddy.free_many(pages)
print(type(pages).__name__, pages.typecode, list(pages))
"""
    assert python(code) == "array Q [0, 2, 4]\n"
