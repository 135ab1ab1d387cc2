"""Repairing an arena after a process died inside an operation, and checking it.

takeover        rebuilding all derived state
mend_directory  repairing the directory of kept buffers
proof           checking every invariant
"""
