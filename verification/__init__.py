"""Searches for faults of arenas and of the sharing protocol. Not shipped; the tests run them.

- `sharing_model`: a model of the sharing protocol, searched in every interleaving.
- `arena_machine`: a Hypothesis state machine for one process with an arena.
- `processes_machine`: the same for processes of both engines that share one.
- `pair_machine`: one call on a buffer in the middle of another, for every ordered pair.
- `storm`: processes that allocate, send and are killed at random.
- `stepping`: compiled code, run one machine instruction at a time.
- `dying`: processes that are killed before any line or any store.
"""
