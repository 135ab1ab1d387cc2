"""The numbers of the protocol are distinct where they must be."""

from pagebuddy.core.words import FIRST_NODE
from pagebuddy.sharing import words
from pagebuddy.sharing.joining.failures import OF_ARENAS

CONSTANTS = {name: value for name, value in vars(words).items() if name.isupper()}
NAMES = list(CONSTANTS)
ANSWERS = NAMES[NAMES.index("DONE") : NAMES.index("SLICE_MS")]


def test_the_magic_number_is_readable_text():
    assert int.from_bytes(b"PBARENA1", "little") == words.ARENA_MAGIC


def test_answers_operations_and_faults_are_distinct():
    for names in (
        ANSWERS,
        [name for name in NAMES if name.startswith("OP_")],
        [name for name in NAMES if name.startswith("F_")],
    ):
        assert len(names) > 5
        assert len({CONSTANTS[name] for name in names}) == len(names)


def test_answers_are_distinct_from_nodes():
    assert len(ANSWERS) > 10
    assert all(CONSTANTS[name] < FIRST_NODE for name in ANSWERS)


def test_every_fault_has_a_name():
    faults = {value for name, value in vars(words).items() if name.startswith("F_")}
    assert faults <= set(OF_ARENAS)


def test_slot_bits_do_not_overlap_the_ticket_count():
    seen = set()
    for slot in range(48 + 64 + 64):
        place = words.hold_word(slot), words.hold_bit(slot)
        assert place not in seen
        assert place[1].bit_count() == 1
        if slot < 48:
            assert words.tickets_in(place[1]) == 0
        seen.add(place)
    assert {word for word, _ in seen} == {0, 1, 2}
