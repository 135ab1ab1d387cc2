"""Arenas seen and operated from outside, by name.

    place         where the arena of a name lies, and opening it to look
    snapshot      a copy of an arena at one moment: looking owns nothing, and takes no slot
    salvage       the buffers that an arena's records tell, saved as files
    arena_layout  an arena's memory as pictures are drawn from it
    arena_report  an arena's figures, for a terminal

The others are the verbs.
"""
