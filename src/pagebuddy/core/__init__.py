"""The engine: words and numbers only. It knows no operating system, no text, no arena.

Read from the bottom up; each file uses those before it:

    words     what a word of the metadata means, and where each lies
    arith     orders and sizes
    state     one allocator's view of its words, and the page range in use
    stripe    one order's free list and bits: push, remove
    backing   which words may be touched, where a file may have holes
    tree      split and merge
    aside     the span freed last, or what is left of the block split last
    search    free runs, across blocks
    spans     live spans: the only file that writes records
    batch     many at once
    rebuild   lists and bits from the records alone
    prove     every invariant, walking everything

The files are plain Python in Cython's pure mode. `_compiled.pyx` includes them, in this order, into one
extension; imported from here they run as they are, and `stand_in` takes the place of Cython, which is
needed to build and never to run.
"""
