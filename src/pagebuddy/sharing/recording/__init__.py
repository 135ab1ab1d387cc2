"""Recording of the buffers that this process holds, while the program runs."""
