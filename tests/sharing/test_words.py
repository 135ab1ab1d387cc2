"""The numbers of the protocol keep apart what must be kept apart."""

from pagebuddy.core.words import N_HEADS
from pagebuddy.sharing import words
from pagebuddy.sharing.joining.failures import OF_ARENAS

CONSTANTS = {name: value for name, value in vars(words).items() if name.isupper()}
NAMES = list(CONSTANTS)
ANSWERS = NAMES[NAMES.index("DONE") : NAMES.index("SLICE_MS")]


def test_the_magic_number_is_a_word_of_text():
    assert int.from_bytes(b"PBARENA1", "little") == words.ARENA_MAGIC


def test_no_two_answers_operations_or_faults_are_the_same():
    for names in (
        ANSWERS,
        [name for name in NAMES if name.startswith("OP_")],
        [name for name in NAMES if name.startswith("F_")],
    ):
        assert len(names) > 5
        assert len({CONSTANTS[name] for name in names}) == len(names)


def test_an_answer_is_not_a_node():
    assert len(ANSWERS) > 10
    assert all(CONSTANTS[name] < N_HEADS for name in ANSWERS)


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
