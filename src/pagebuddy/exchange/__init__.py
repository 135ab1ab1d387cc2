"""Sending objects between processes while their bytes stay in the arena.

dumping   an object to bytes: what `Arena.dumps` does
delivery  bytes to an object: what `Arena.loads` does
pickler   finds the buffers of an object while it is pickled
packing   an object as the bytes of one buffer, for `Arena.objects`
out_of_band  what both picklers have in common
cargo     the buffers of one object, on their way out
finder    finds the buffer of an arena in which bytes lie
address   the address of an object's bytes in this process
frame     the format of the bytes
remaking  the functions that these pickles call
queue     `ArenaQueue`, a queue between processes
"""
