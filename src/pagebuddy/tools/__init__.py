"""The command line, traces, their replay, and pictures of memory.

numpy is needed here, typer and rich by the command, matplotlib by `plot`: the extras `cli` and
`plot` bring them. Nothing outside this folder imports it.
"""
