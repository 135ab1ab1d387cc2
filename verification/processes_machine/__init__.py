"""A Hypothesis state machine that compares processes which share an arena with the naive model.

    with Nursery("compiled") as compiled, Nursery("uncompiled") as uncompiled:
        run_state_machine_as_test(processes_machine_for([compiled, uncompiled], "file"))

Used by tests/sharing/test_machine.py.

- `wire`: messages, with file descriptors, between the machine and its workers.
- `worker`: a process that performs operations on request.
- `nursery`: a process that forks workers; each starts without an arena.
- `crew`: the workers of one machine, and the comparison with the model.
- `objects`: rules of objects that are kept by key.
- `machine`: the rules: requests operations, kills workers, and compares the results.
"""
