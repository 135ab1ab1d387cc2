"""What the engine and its arenas cost, measured beside what it is compared with, in one run.

`python -m benchmarks` prints the table and writes it to `out/benchmarks.json`. Nothing here is
asserted: a figure that is not reached is shown as such.

- `calls` and `batches` hold cases of the engine: calls from Python, whole arrays
- `rivals` is what the engine is measured against
- `arenas` holds the cases of arenas, `memories` the other ways to get memory
- `sharing` holds the cases of two processes, `handovers` other ways to hand bytes over
- `frameworks` holds those of torch, joblib and ray, where they are installed
- `deaths` holds the cases of processes that are killed at work
- `figures`, `arena_rows`, `sharing_rows` and `death_rows` say which rows the table has and what each
  should reach
- `machine` and `report` write down where it ran and what came out

`pagebuddy.tools.bench` has what the verb `bench` measures too: how samples are taken, the engine's
native loops, an arena beside what everybody has.
"""
