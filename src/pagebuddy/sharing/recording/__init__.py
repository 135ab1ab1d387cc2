"""Recording the buffers that this process holds, while the program runs.

recording  what is recorded
tape       the lines on their way into the file
writing    uncompiled: writing to the file; compiled, `writing.pxi`
"""
