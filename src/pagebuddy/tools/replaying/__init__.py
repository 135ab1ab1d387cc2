"""The verb `replay`: replays a trace through allocators, checks and compares them.

replay_command    the verb
replay            replays a trace on one or several allocators
pairing           finds the allocation of each free
lane              an allocator, and the first page of each live span
owners            an independent record of which pages are allocated
contiguity        the share of free memory in large free blocks, over time
ranges            the page ranges to replay on
variant           page size, highest order and policy of a replay
variants          variants from the command line
result            the figures of a replay
report            prints one result
comparison        prints several results side by side
"""
