"""What an allocator and an arena cost on this machine, beside what everybody has.

    bench_command, core_rows           the verb, and the rows of its table
    timing                             samples of many cases, by turns, so that a ratio compares equals
    figures                            rows, made of samples
    subject, machine                   which engine is measured, and where
    loops, streams                     the engine in its own native loop, and what that is to do
    memories                           memory got and dropped
    handovers, partner                 bytes handed to another process, and that process

`benchmarks/` of the source has many more rows.
"""
