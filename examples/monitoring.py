"""Serve the figures of arenas to Prometheus. It attaches to none of them.

    python monitoring.py [PORT [NAME ...]]

Without names, those of all arenas of this user.
"""

from __future__ import annotations

import logging
import sys

from prometheus_client import REGISTRY, start_http_server

from pagebuddy.adapters.prometheus import Collector

logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
port, *names = sys.argv[1:] or ["9477"]
REGISTRY.register(Collector(*names))
server, thread = start_http_server(int(port))
print(f"http://localhost:{server.server_port}/metrics", flush=True)
thread.join()
