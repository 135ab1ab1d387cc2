"""Traces of allocations: the formats that are read and written, and the events in them."""
