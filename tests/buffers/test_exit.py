"""An interpreter that exits with views alive does so in silence, and what it held goes with it."""

import subprocess
import sys

import pytest

PRELUDE = """
import atexit, gc, os, sys, threading
from pagebuddy import Arena
arena = Arena.attach(sys.argv[1])
buffer = arena.alloc(10_000)
view = buffer.view
view[:] = bytes(10_000)
"""

ENDS = {
    "globals": "",
    "released": "buffer.release()",
    "closed": "arena.close()",
    "cycle": "cycle = [arena, buffer, view]; cycle.append(cycle)",
    "frozen": "gc.freeze(); gc.disable()",
    "in builtins": "import builtins; builtins.kept = [view, buffer, arena]",
    "in sys": "sys.kept = view; del view, buffer, arena",
    "in a class": "class Kept: one, two = buffer, view\nKept.me = Kept; del buffer, view",
    "finalizer": """
class Last:
    def __del__(self, view=view, buffer=buffer):
        assert bytes(view[:3]) == bytes(3)
        buffer.release()
last = Last()
last.me = last
del view, buffer
""",
    "atexit hook": """
def last():
    global view
    assert bytes(view) == bytes(10_000)
    other = arena.alloc(5000)
    other.view[:] = b"1" * 5000
    assert bytes(view) == bytes(10_000)
    del view
    arena.close()
atexit.register(last)
""",
    "early atexit hook": """
def last():
    global view, buffer
    view = buffer = None
    assert arena.stats().n_pages == 64
atexit._clear()
atexit.register(last)
""",
    "exception": "held = [view]; raise SystemExit(0)",
    "daemon thread that waits": """
ready = threading.Event()
def wait(buffer, view):
    ready.set()
    threading.Event().wait()
threading.Thread(target=wait, args=(buffer, view), daemon=True).start()
ready.wait()
""",
    "daemon thread that works": """
ready = threading.Event()
def work():
    while True:
        kept = [arena.alloc(5000).view for _ in range(5)]
        ready.set()
threading.Thread(target=work, daemon=True).start()
ready.wait()
""",
    "thread that outlives the main one": """
def late(view):
    threading.main_thread().join()
    assert bytes(view) == bytes(10_000)
    assert len(arena.alloc(100).view) == 100
threading.Thread(target=late, args=(view,)).start()
""",
    "thread's own": """
local = threading.local()
local.view = view
thread = threading.Thread(target=lambda: setattr(local, "view", arena.alloc(1).view))
thread.start(); thread.join()
""",
    "array": "import numpy as np; array = np.frombuffer(view, 'u1'); del view, buffer, arena",
    "array in an atexit hook": """
import numpy as np
array = arena.zeros(1000)
atexit.register(lambda array=array: array.sum() == 0 or os._exit(9))
del array
""",
    "without the interpreter's end": "sys.stdout.flush(); os._exit(0)",
}


def end(name, code, environment):
    """Run a program that attaches to an arena; how it ended, and what it said."""
    command = [sys.executable, "-X", "faulthandler", "-c", PRELUDE + code, name]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("way", ENDS)
def test_silent(arena, name, overwrite, environment, way):
    if "numpy" in ENDS[way]:
        pytest.importorskip("numpy")
    assert end(name, ENDS[way], environment) == (0, "")
    arena.reap()
    assert arena.stats().used == 0
    assert overwrite() == 64
    arena.verify()


def test_the_exit_status_is_the_programs_own(name, arena, environment):
    assert end(name, "raise SystemExit(7)", environment) == (7, "")
    status, said = end(name, "held = view; raise KeyError('as asked')", environment)
    assert status == 1
    assert said.endswith("KeyError: 'as asked'\n")
    assert said.count("Traceback") == 1
