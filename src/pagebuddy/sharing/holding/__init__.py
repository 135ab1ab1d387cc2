"""Holds and the records around them: magazines, the directory of keys, tickets, reaping."""
