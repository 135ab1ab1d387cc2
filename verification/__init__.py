"""Tools that search for faults of arenas and of the sharing protocol. Run by the tests; not shipped.

- `sharing_model`: a model of the sharing protocol; every interleaving is searched.
- `arena_machine`: a Hypothesis state machine for one process that uses an arena.
- `processes_machine`: the same for several processes, of both engines, that share an arena.
- `pair_machine`: one call on a buffer in the middle of another, for every ordered pair.
- `storm`: processes that allocate, send, and are killed at random.
- `stepping`: runs compiled code one machine instruction at a time.
- `dying`: kills processes before a given line of Python or a given store.
"""
