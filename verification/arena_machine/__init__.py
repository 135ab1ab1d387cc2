"""A Hypothesis state machine that compares an arena with a naive model after each call. One process.

    run_state_machine_as_test(arena_machine_for(Arena), settings=settings())

Used by tests/arena/test_machine.py; the processes machine also uses `model` and `place`.

- `model`: the naive model: which process holds what, in sets and counts.
- `place`: creates an arena of each kind and attaches to it again.
- `reference`: an object of this process that refers to a buffer's bytes.
- `refusal`: a block that must raise an error.
- `ground`: the base of all rules: the arena, its model, and the comparison after each rule.
- `having`: rules that allocate, view, release and resize buffers.
- `keeping`: rules that keep buffers under keys.
- `objects`: rules of objects that are kept by key.
- `sending`: rules of handles, and of objects that are dumped and loaded.
- `machine`: rules of the whole arena; the complete machine.
"""
