"""Recording the running kernel's page stream through tracefs, while a command runs.

    record_command, record, child      the verb, the recording, the command that runs meanwhile
    tracefs                            a private instance of the kernel's tracing, gone afterwards
    event_format, ring_buffer          what its raw buffers look like, and reading them
    timed_events, event_order          the events, and one order for those of all processors
    trace_writer, page_lines           the trace that comes of it

Needs Linux and root. What is written is read like any other trace.
"""
