"""Measures the engine, its arenas and their alternatives in one run: `python -m benchmarks`.

The table shows whether a figure reaches its goal; nothing is asserted.

    calls           cases of the engine: calls from Python
    batches         cases of the engine: many pages in one call, recover, verify
    rivals          alternatives to the engine
    arenas          cases of arenas
    memories        alternatives to arenas
    sharing         cases of two processes
    handovers       alternatives for sending bytes to another process
    frameworks      such alternatives in torch, joblib and ray, if installed
    deaths          cases of processes that are killed during an operation
    figures         rows and goals of the engine
    arena_rows      rows and goals of arenas
    sharing_rows    rows and goals of two processes
    death_rows      rows and goals of killed processes
    unchecked       the engine without its checks, if it was built from `_unchecked.pyx`
    machine         describes the machine, the commit and the versions
    data            the same for arrays, objects by key and tables: `python -m benchmarks.data`
    arrays          cases of arrays that are made, sent, and mapped in a Pool
    numpy_memory    cases of results that numpy makes in an arena
    objects         cases of objects by key
    tables          cases of tables that pandas reads
    data_rows       rows and goals of `data`
    fragmentation   the share of free memory in blocks of 2 MiB: `python -m benchmarks.fragmentation`
    scattering      traces and mixes that scatter free memory
    two_speeds      why one page has two speeds: `python -m benchmarks.two_speeds`
    lowest          a simulation of lowest-address-first allocation, beside which they are shown
    report          writes the table as text, JSON and Markdown

`pagebuddy.tools.bench` contains what the verb `bench` needs too: timing and the engine's native loops.
"""
