"""The programs in this folder are read by type checkers, and never run."""

collect_ignore = ["right.py", "wrong.py"]
