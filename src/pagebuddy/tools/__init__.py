"""The command line, traces, their replay, and pictures of memory.

Traces and their replay need numpy, the command and pictures in a terminal rich, the command typer,
pictures as PNG or PDF matplotlib: the extras `cli` and `plot` bring them. Pictures as SVG need the
standard library alone, so that a notebook has them without any extra.
"""
