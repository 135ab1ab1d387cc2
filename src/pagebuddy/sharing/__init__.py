"""The protocol by which processes share an arena, as docs/protocol.md describes it.

    words          the words of an arena, and all numbers of the protocol
    layout         where each part of an arena lies
    state          what an attachment knows of an arena, and of its own process
    request        the arguments and results of an operation
    attached       the types of attachments and engines, for the type checker
    process_state  what a process knows of arenas between calls
    system/        the system calls: locks, leases, atomic stores
    holding/       which process holds which buffer, and the end of holds
    operations/    what happens between lock and unlock
    recovery/      repairing an arena after a process died
    forking/       the slot and the holds of a forked child
    joining/       attaching, handles, lists, backing by memory, errors
    recording/     writing a trace of the buffers that this process holds

Linux only. Files that the extension includes have no imports but those under `not cython.compiled`.
"""
