"""Which files doctests are not looked for in: programs, where polars is not installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("polars") else ["programs/*"]
