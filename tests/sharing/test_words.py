"""The constants of C and those of Python are the same."""

import re
from pathlib import Path

import pagebuddy
from pagebuddy.sharing import words
from pagebuddy.sharing.joining.failures import OF_ARENAS

ROOM = Path(pagebuddy.__file__).parent / "sharing"


def constants_of(name):
    text = (ROOM / name).read_text()
    found = re.findall(r"^    ([A-Z][A-Z0-9_]+) = (0x[0-9A-F_]+|\d+)\b", text, re.M)
    return {name: int(value, 0) for name, value in found}


def test_every_constant_of_c_is_the_same_in_python():
    python = constants_of("words.py")
    assert python.pop("ARENA_MAGIC") == int.from_bytes(b"PBARENA1", "little")
    assert constants_of("words.pxi") == python
    assert all(getattr(words, name) == value for name, value in python.items())


def test_no_two_answers_operations_or_faults_are_the_same():
    constants = constants_of("words.py")
    answers = list(constants)[list(constants).index("DONE") : list(constants).index("SLICE_MS")]
    for names in (
        answers,
        [name for name in constants if name.startswith("OP_")],
        [name for name in constants if name.startswith("F_")],
    ):
        assert len({constants[name] for name in names}) == len(names)


def test_what_an_operation_answers_is_no_node():
    from pagebuddy.core.words import N_HEADS

    constants = list(constants_of("words.py").items())
    names = [name for name, _ in constants]
    answers = constants[names.index("DONE") : names.index("SLICE_MS")]
    assert len(answers) > 10
    assert all(value < N_HEADS for _, value in answers)


def test_every_fault_has_a_name():
    faults = {value for name, value in vars(words).items() if name.startswith("F_")}
    assert faults <= set(OF_ARENAS)


def test_slots_have_their_own_bits_beside_the_count_of_tickets():
    seen = set()
    for slot in range(48 + 64 + 64):
        place = words.hold_word(slot), words.hold_bit(slot)
        assert place not in seen
        assert place[1].bit_count() == 1
        if slot < 48:
            assert words.tickets_in(place[1]) == 0
        seen.add(place)
    assert {word for word, _ in seen} == {0, 1, 2}
