"""Forks: the child gets a slot of its own, with its parent's holds, before it runs.

fork   what happens to an attachment before and after a fork
gate   a lock that attaching and forking share
hooks  uncompiled: the interpreter's fork hooks; compiled, `system/system.pxi` uses libc's
"""
