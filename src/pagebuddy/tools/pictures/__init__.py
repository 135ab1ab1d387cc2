"""Draws pictures of memory: in a terminal, as SVG, PNG or PDF, and in notebooks.

layout              the state of memory at one moment; most pictures are drawn from it
buffer_rows         an arena's buffers as spans of a layout
grid                memory as rows of cells
picture             memory in a terminal
sheet               memory as a drawing
key                 the key beside this drawing
tree                a block as a tree of its splits
tree_picture        this tree in a terminal
tree_sheet          this tree as a drawing
intervals           figures at even intervals of operations
timeline            figures of an allocator over time
timeline_picture    the timeline in a terminal
timeline_sheet      the timeline as a drawing
free_by_order       free blocks by order, as a table with bars
drawing             boxes and texts: what a drawing consists of
palette             colours
svg                 writes a drawing as SVG
plot                writes a drawing as SVG, PNG or PDF
notebook            pictures for notebooks
"""
