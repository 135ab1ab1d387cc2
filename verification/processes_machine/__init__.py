"""A Hypothesis state machine that holds processes which share an arena to the naive model.

    with Nursery("compiled") as compiled, Nursery("uncompiled") as uncompiled:
        run_state_machine_as_test(processes_machine_for([compiled, uncompiled], "file"))

wire     messages between the machine and its workers, with descriptors
worker   a process that does with the arena what it is told
nursery  a process that bears workers: each begins without any arena
machine  tells the workers what to do, kills them, and compares what they see with the model
"""
