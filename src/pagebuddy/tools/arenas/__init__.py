"""The verbs that inspect and repair arenas by name.

ls_command       `ls`: lists the named arenas
stat_command     `stat`: prints the figures of an arena
map_command      `map`: draws an arena's memory
keys_command     `keys`: lists the keys of an arena
check_command    `check`: checks an arena and saves its buffers
reap_command     `reap`: frees what dead processes held
rm_command       `rm`: removes arenas
lookup           finds and opens an arena by name or path
snapshot         a private copy of an arena's metadata, taken without attaching
examination      checks all invariants of an arena
salvage          finds buffers in the records of a damaged arena, and saves them
arena_layout     an arena's memory as a layout, for pictures
arena_report     prints the figures of an arena
"""
