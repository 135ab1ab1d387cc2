"""Which files tests are not looked for in: those of adapters whose framework is not installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

ADAPTERS = Path(__file__).parent / "src" / "pagebuddy" / "adapters"

# What an adapter imports, where it is not called like the adapter.
IMPORTED = {"arrow": "pyarrow", "dask": "distributed", "prometheus": "prometheus_client"}

collect_ignore = [
    str(path)
    for path in ADAPTERS.glob("[a-z]*.py")
    if find_spec(IMPORTED.get(path.stem, path.stem)) is None
]
