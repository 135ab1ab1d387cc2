"""An arena that is freed by the garbage collector, in one cycle with its memory."""

import os
import subprocess
import sys

SCRIPT = """
import gc, os
from pagebuddy import Arena

class Holder:
    pass

def mapped():
    with open("/proc/self/maps") as maps:
        return sum("pagebuddy" in line for line in maps)

# What the first arena loads stays: libffi, for example, keeps a descriptor of itself.
Arena("1 MiB").close()

for keeps_a_buffer in (False, True):
    for make in (lambda: Arena("1 MiB"), lambda: Arena.over(bytearray(1 << 20))):
        before = len(os.listdir("/proc/self/fd")), mapped()
        holder = Holder()
        holder.itself = holder
        holder.arena = make()
        if keeps_a_buffer:
            holder.buffer = holder.arena.alloc(5000)
            holder.view = holder.buffer.view
        del holder
        gc.collect()
        assert (len(os.listdir("/proc/self/fd")), mapped()) == before
"""


def test_an_arena_in_a_reference_cycle_is_freed_like_any_other(engine):
    pure = {"PAGEBUDDY_PURE": "1"} if engine == "uncompiled" else {}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SCRIPT],
        env=os.environ | pure,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
