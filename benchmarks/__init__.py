"""What the engine and its arenas cost, measured beside what it is compared with, in one run.

`python -m benchmarks` prints the table and writes it to `out/benchmarks.json`. Nothing here is
asserted: a figure that is not reached is shown as such.

- `timing` takes turns between all cases, so that a ratio compares two things measured side by side
- `streams` prepares the lists of operations that the engine runs in one native loop
- `loops`, `calls` and `batches` hold the cases: the native loop, calls from Python, whole arrays
- `rivals` is what the engine is measured against, `subject` is which engine is measured
- `arenas` holds the cases of arenas, `memories` the other ways to get memory
- `sharing` holds the cases of two processes, `handovers` the ways to hand bytes over, `partner` starts
  the other process
- `figures`, `arena_rows` and `sharing_rows` say which rows the table has and what each should reach
- `machine` and `report` write down where it ran and what came out
"""
