"""The verb `bench`: measures an allocator and an arena, next to numpy, SharedMemory and a Pipe.

    bench_command    the verb
    core_rows        the cases and rows of its table
    timing           takes samples of many cases in turns
    figures          computes rows from samples
    subject          the engine under measurement
    machine          describes the machine
    loops            cases of the engine in a native loop
    streams          lists of operations for these loops
    memories         cases that allocate and free memory
    handovers        cases that send bytes to another process
    partner          the other process

`benchmarks/` in the source measures many more rows with these files.
"""
