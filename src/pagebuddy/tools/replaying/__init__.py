"""Replaying a trace through allocators and comparing them: the verb `replay`."""
