"""Buffers: allocations with their bytes, and the attachment that a process allocates from.

attachment  `Attachment`: an arena as one process uses it
forking_pickler  teaches multiprocessing to send arrays as handles
bodies      objects as bytes, and the pages in which their arrays lie
unclaimed   `Unclaimed`: the tickets of one message, which end with it
source      `BufferSource`: the fast `alloc` of one `Arena` object
buffer      `Buffer`: one allocation with its bytes
pages       `BufferHold`: keeps a buffer's memory while any view of it exists
arrays      numpy arrays over pages
closing     the error for a closed `Arena` object
uncompiled  the uncompiled engine, with the names of the extension
"""
