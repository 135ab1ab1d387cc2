"""The command `pagebuddy`: verbs, traces and their replay, and pictures of memory.

    command      the command and its verbs
    terminal/    text for a terminal: units, tables, error messages, signals
    traces/      reads traces of allocations in several formats
    pictures/    draws memory in a terminal, as SVG, PNG or PDF, and in notebooks
    replaying/   the verb `replay`: runs a trace through allocators and compares them
    recording/   the verb `record`: records the page stream of the running kernel
    arenas/      the verbs for arenas: `ls`, `stat`, `map`, `check`, `reap`, `rm`
    bench/       the verb `bench`: measures an allocator and an arena
    demo/        the verb `demo`: sends a video between processes

The extra `cli` installs numpy, rich and typer, which the verbs need; the extra `plot` installs
matplotlib for PNG and PDF. SVG pictures and notebooks need only the standard library.
"""
