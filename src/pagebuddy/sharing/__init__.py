"""What processes owe each other when they share an arena: who is alive, who may enter, who holds what.

    lease       the one proof that a process is alive

Linux alone.
"""
