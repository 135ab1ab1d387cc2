"""The system calls that sharing needs. A `.pxi` has in C what some `.py` files have uncompiled.

lock        the arena's lock, of whichever kind
gate        uncompiled: a lock for threads, and a lock on a byte of the file
lease       the proof that a process is alive
alive       which processes are alive
child       leases and locks at a fork, and this process's own lease
sharers     which processes share a slot
atomic      words that change without the lock
deferred    holds that the next operation ends
clock       the time, by which tickets expire
holes       which parts of a file were never stored to
process     a process's id, start time and name, for people
system.pxi  lock, gate, alive, child and clock in C; atomic.pxi, holes.pxi, sharers.pxi
"""
