"""How a process gets an arena and its buffers, and sees what is in it.

attaching      creating an arena, and attaching to one
sending        sending buffers as handles, and claiming them
by_descriptor  attaching an anonymous arena through a descriptor of another process
handle         the bytes of a handle
passing        passing whole arenas to other processes
listing        listing buffers, keys and processes
unclaimed_handles  who sent the handles that nobody has claimed
backing        backing tables with memory before they are stored to
first_touch    the parts of the tables that creating an arena stores to
trimming       returning the memory of free pages to the system
telling        what is logged
failures       the errors that users see
"""
