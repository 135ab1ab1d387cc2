"""Looking at an arena from its file: without attaching, without its lock, and without delaying anybody.

files     finding the files of arenas, and opening them for reading
snapshot  a copy of an arena's metadata, which can be observed like an arena
rings     the queues and topics of a snapshot
looks     several arenas at once, and why one of them cannot be read

The verbs `ls`, `stat`, `map`, `keys` and `check` look at arenas this way, and so does the collector of
figures for Prometheus.
"""
