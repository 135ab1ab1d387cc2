"""The engine. It works on words and numbers only: no operating system, no text, no arenas.

Each file uses only the files above it in this list:

    words     the meaning and the position of each word of the metadata
    arith     orders and sizes
    state     one allocator's view of its words, and the page range in use
    stripe    the free list of one order: push, remove
    granules  which words can be touched if a file may have holes
    tree      split and merge
    aside     free pages outside the lists: spans that wait, the span aside, the front
    search    free runs, across blocks
    spans     live spans: the only file that writes records, besides batch
    batch     many spans in one call
    rebuild   free lists and free bits, from the records alone
    prove     every invariant

The files are plain Python in Cython's pure mode. `_compiled.pyx` includes them, in this order, into one
extension. Imported from here they run uncompiled, and `stand_in` replaces Cython, which is needed to
build, not to run.
"""
