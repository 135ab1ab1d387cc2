"""Text for a terminal: numbers with units, tables, error messages; and signals.

units      numbers as text: bytes, percent, counts
tables     tables of names and texts
refusal    errors as one sentence and an exit code
signals    Ctrl-C and SIGTERM for verbs that start processes
"""
