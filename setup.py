"""Builds the one extension, and goes on without it where it cannot be built.

The engine is plain Python that also runs as it is, so a missing compiler costs speed, not function.
PAGEBUDDY_PURE=1 leaves the extension out; PAGEBUDDY_REQUIRE_COMPILED=1 makes a failed build an error.
"""

import os
import sys

from setuptools import Extension, setup

PURE = os.environ.get("PAGEBUDDY_PURE") == "1"
REQUIRED = os.environ.get("PAGEBUDDY_REQUIRE_COMPILED") == "1"

if PURE and REQUIRED:
    sys.exit("PAGEBUDDY_PURE=1 and PAGEBUDDY_REQUIRE_COMPILED=1 contradict each other: unset one")


def extensions() -> list[Extension]:
    from Cython.Build import cythonize

    flags = [] if sys.platform == "win32" else ["-O3", "-fno-strict-aliasing"]
    extension = Extension(
        "pagebuddy._compiled",
        ["src/pagebuddy/_compiled.pyx"],
        extra_compile_args=flags,
        optional=not REQUIRED,
    )
    # An `include` is not followed to see what changed, so the translation is always done anew.
    return cythonize([extension], force=True)


def built() -> list[Extension]:
    if PURE:
        return []
    try:
        return extensions()
    except Exception as error:
        if REQUIRED:
            raise
        print(f"pagebuddy: the engine stays uncompiled ({error})", file=sys.stderr)
        return []


setup(ext_modules=built())
