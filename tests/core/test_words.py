"""The constants of C and those of Python are the same, and the formats are what they say."""

import re
from pathlib import Path

import pytest

import pagebuddy
from pagebuddy.allocator.refusals import INVARIANTS
from pagebuddy.core import words

SOURCE = Path(pagebuddy.__file__).parent / "_compiled.pyx"


def constants_of_c():
    text = SOURCE.read_text()
    block = text[text.index("cdef enum:") :]
    return {name: int(value, 0) for name, value in re.findall(r"^    (\w+) = (\w+)$", block, re.M)}


def test_every_constant_of_c_is_the_same_in_python():
    for name, value in constants_of_c().items():
        assert getattr(words, name) == value, name


def test_every_constant_that_the_engine_uses_is_there_in_c():
    known = constants_of_c()
    used = {
        name
        for path in SOURCE.parent.glob("core/*.py")
        for name in re.findall(r"\b[HFT]_[A-Z_]+\b", path.read_text())
    }
    assert used <= set(known) | {"H_MAGIC"}


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
