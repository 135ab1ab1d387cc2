"""Hypothesis state machines that hold an arena to a naive model, call after call.

    run_state_machine_as_test(arena_machine_for(Arena), settings=settings())

model      who holds what, said with sets and counts of names
place      where an arena of each kind is made, and found again
reference  one object of this process that leads to a buffer's bytes
ground     what all rules stand on: the arena, its model, and what is compared after each of them
having     rules of having buffers: allocating, viewing, letting go, resizing
keeping    rules of keeping them under keys
sending    rules of handles, and of objects that are dumped and loaded
machine    rules of the arena as a whole, and all others: one process does all that there is to do
"""
