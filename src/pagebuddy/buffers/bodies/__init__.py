"""Bodies: objects as bytes, and the pages in which their arrays lie.

body       `Body`: the bytes and the pages of one object
packing    an object that needs no pickler to a body
unpacking  a body to its object
forms      what the bytes of an array mean: its shape, strides and items
writing    puts numbers and bytes behind one another
reading    takes them out again, and refuses to read past the end
frame      a body with its tickets, as one message

All of them are part of the compiled engine.
"""
