"""Each constant has one definition, and the formats are as documented."""

import importlib.util
import re
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy.allocator.refusals import INVARIANTS
from pagebuddy.core import words
from pagebuddy.sharing import words as words_of_arenas

ROOT = Path(pagebuddy.__file__).parents[2]


@pytest.fixture(scope="module")
def build():
    """The module that builds the extension."""
    path = ROOT / "setup.py"
    if not path.exists():
        pytest.skip("this package was installed without its sources")
    spec = importlib.util.spec_from_file_location("build_of_pagebuddy", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("module", [words, words_of_arenas], ids=["engine", "arena"])
def test_all_constants_go_into_the_extension(build, module):
    python = {
        name: value for name, value in vars(module).items() if name.isupper() and type(value) is int
    }
    assert python == build.constants_in(Path(module.__file__).read_text())
    translated = build.declared(python, "words.py")
    for name, value in python.items():
        digits = re.search(rf"#define PB_{name} (\w+?)(?:ULL)?$", translated, re.M)[1]
        assert int(digits, 0) == value
        assert (f"    {name} = {value}\n" in translated) is (value < 1 << 31)


def test_the_extension_was_built_from_these_constants(build):
    for path in build.CONSTANTS:
        made = path.with_suffix(".pxi")
        if not made.exists():
            pytest.skip("the extension was not built here")
        constants = build.constants_in(path.read_text())
        made_from = path.relative_to(build.PACKAGE).as_posix()
        assert made.read_text() == build.declared(constants, made_from)


def test_every_fault_has_a_name():
    faults = {value for name, value in vars(words).items() if re.fullmatch(r"F_[A-Z_]+", name)}
    assert faults - {words.F_NONE} == set(INVARIANTS)


@pytest.mark.parametrize(("n", "generation"), [(1, 0), (0x7FFF_FFC0, 0xFFFF_FFFF), (5, 7)])
def test_a_record_keeps_its_parts_apart(n, generation):
    word = words.record(n, generation)
    assert words.is_live(word)
    assert words.pages_in(word) == n
    assert words.low(word) == generation
    assert word < 1 << 64


def test_a_link_is_no_record():
    assert not words.is_live(0x7FFF_FFFF << 32 | 0xFFFF_FFFF)
