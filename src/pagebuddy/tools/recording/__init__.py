"""The verb `record`: records the page stream of the running kernel, as a trace for `replay`.

    record_command    the verb
    record            records while a command runs
    child             runs the command and passes signals on to it
    tracefs           a private instance of the kernel's tracing, removed afterwards
    event_format      reads the formats of events and pages in the kernel's buffers
    ring_buffer       decodes the kernel's buffers
    timed_events      events with their times
    event_order       merges the events of all processors in order of time
    trace_writer      writes the trace into a file
    page_lines        formats events as lines of CSV

The verb needs Linux and root. `Arena.record` is in `pagebuddy.arena.recording`.
"""
