"""Builds the one extension, and goes on without it where it cannot be built.

The engine is plain Python that also runs as it is, so a missing compiler costs speed, not function.
PAGEBUDDY_PURE=1 leaves the extension out; PAGEBUDDY_REQUIRE_COMPILED=1 makes a failed build an error;
PAGEBUDDY_UNCHECKED=1 builds a second one without the engine's checks, for benchmarks.
"""

import os
import sys

from setuptools import Extension, setup

PURE = os.environ.get("PAGEBUDDY_PURE") == "1"
UNCHECKED = os.environ.get("PAGEBUDDY_UNCHECKED") == "1"
REQUIRED = os.environ.get("PAGEBUDDY_REQUIRE_COMPILED") == "1"

if PURE and REQUIRED:
    sys.exit("PAGEBUDDY_PURE=1 and PAGEBUDDY_REQUIRE_COMPILED=1 contradict each other: unset one")


def extensions() -> list[Extension]:
    from Cython.Build import cythonize

    flags = [] if sys.platform == "win32" else ["-O3", "-fno-strict-aliasing"]

    def extension(folder: str, name: str, **options: object) -> Extension:
        return Extension(
            f"pagebuddy.{name}",
            [f"{folder}/{name}.pyx"],
            extra_compile_args=flags,
            **options,
        )

    wanted = [extension("src/pagebuddy", "_compiled")]
    if UNCHECKED:
        wanted.append(extension("benchmarks", "_unchecked", define_macros=[("PB_CHECKED", "0")]))
    # An `include` is not followed to see what changed, so the translation is always done anew.
    # `_unchecked` includes `pagebuddy/_compiled.pyx`.
    translated = cythonize(wanted, force=True, include_path=["src"])
    for one in translated:
        # Set here, as the translation does not hand it on.
        one.optional = not REQUIRED
    return translated


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
