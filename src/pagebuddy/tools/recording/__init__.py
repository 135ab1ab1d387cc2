"""Recording what memory went through, as traces for `replay`.

    record_command, record, child      the verb: the running kernel's page stream while a command runs
    tracefs                            a private instance of the kernel's tracing, gone afterwards
    event_format, ring_buffer          what its raw buffers look like, and reading them
    timed_events, event_order          the events, and one order for those of all processors
    trace_writer, page_lines           the trace that comes of it
    arena_recording                    `Arena.record`: an arena's buffers, as this process holds them

The verb needs Linux and root. What is written is read like any other trace.
"""
