"""How a process gets to an arena and its buffers: attaching, handles, listing, backing."""
