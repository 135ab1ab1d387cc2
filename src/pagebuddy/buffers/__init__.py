"""Buffers: one allocation with its bytes, arrays over it, and a process's attachment to an arena."""
