"""Sending objects between processes while their bytes stay in the arena.

dumping   an object to bytes: `dump` with tickets, `pack` without
delivery  bytes to an object: `load` and `unpack`
pickler   finds the buffers of an object while it is pickled
by_value  the same, with functions that the receiver cannot import
packing   an object as the bytes of one buffer, for `Arena.objects`
out_of_band  what both picklers have in common
cargo     the buffers of one object, on their way out
finder    finds the buffer of an arena in which bytes lie
remaking  the functions that these pickles call
"""
