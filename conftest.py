"""Which files tests are not looked for in: those of adapters whose framework is not installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent

# What an adapter imports, where it is not called like the adapter.
IMPORTED = {"arrow": "pyarrow", "dask": "distributed", "prometheus": "prometheus_client"}

_missing = [
    path.stem
    for path in (ROOT / "src" / "pagebuddy" / "adapters").glob("[a-z]*.py")
    if find_spec(IMPORTED.get(path.stem, path.stem)) is None
]
collect_ignore = [f"src/pagebuddy/adapters/{name}.py" for name in _missing]
collect_ignore_glob = [f"tests/adapters/{name}/*" for name in _missing]
