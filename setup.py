"""Build the extensions, or install without those that cannot be built.

The engine is plain Python that also runs uncompiled: without a compiler it is slow, but complete.
PAGEBUDDY_PURE=1 leaves the extensions out; PAGEBUDDY_REQUIRE_COMPILED=1 makes a failed build an error;
PAGEBUDDY_UNCHECKED=1 also builds an extension without the engine's checks, for benchmarks. `_numpy` is
built if there are numpy's headers, else left out.
"""

import ast
import os
import sys
from pathlib import Path

from setuptools import Extension, setup

PURE = os.environ.get("PAGEBUDDY_PURE") == "1"
UNCHECKED = os.environ.get("PAGEBUDDY_UNCHECKED") == "1"
REQUIRED = os.environ.get("PAGEBUDDY_REQUIRE_COMPILED") == "1"

PACKAGE = Path(__file__).parent / "src" / "pagebuddy"
# The files that define constants; a file of the same name with .pxi is made of each.
CONSTANTS = [PACKAGE / folder / "words.py" for folder in ("core", "sharing", "buffers/bodies")]

# The least numpy API that `_numpy` needs, and the newest that it may use.
NUMPY_VERSIONS = ("NPY_TARGET_VERSION", "NPY_NO_DEPRECATED_API")


def constants_in(source: str) -> dict[str, int]:
    """Return the integers that the body of `if not cython.compiled:` assigns to names in capitals."""
    found: dict[str, int] = {}
    for block in ast.parse(source).body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "not cython.compiled":
            for line in block.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]).isupper():
                    code = compile(ast.Expression(line.value), "constants", "eval")
                    value = eval(code, {"__builtins__": {}}, found)
                    if type(value) is int:
                        found[ast.unparse(line.targets[0])] = value
    return found


def declared(constants: dict[str, int], made_from: str) -> str:
    """Return the constants for Cython by their names, and for C behind `PB_`."""
    small = {name: value for name, value in constants.items() if value < 1 << 31}
    large = {name: value for name, value in constants.items() if name not in small}
    lines = [f'"""Made from {made_from} by setup.py: change the constants there."""', ""]
    lines += ["cdef extern from *:", '    """']
    lines += [f"    #define PB_{name} {value}" for name, value in small.items()]
    lines += [f"    #define PB_{name} {value:#x}ULL" for name, value in large.items()]
    lines += ['    """']
    lines += [f'    const u64 {name} "PB_{name}"' for name in large]
    # An enum of C has the size of an int.
    lines += ["", "cdef enum:"]
    lines += [f"    {name} = {value}" for name, value in small.items()]
    return "\n".join(lines) + "\n"


def write_constants() -> None:
    """Write the .pxi files that the extension includes."""
    for path in CONSTANTS:
        made_from = path.relative_to(PACKAGE).as_posix()
        text = declared(constants_in(path.read_text(encoding="utf-8")), made_from)
        path.with_suffix(".pxi").write_text(text, encoding="utf-8")


def numpy_headers() -> str:
    """Return the folder of numpy's headers; "" if there is no numpy, or an old one."""
    try:
        import numpy

        if int(numpy.__version__.partition(".")[0]) < 2:
            raise ImportError(f"version {numpy.__version__} is older than 2")
        return numpy.get_include()
    except ImportError as error:
        print(
            f"pagebuddy: arena.numpy_memory is left out: there are no headers of numpy ({error})",
            file=sys.stderr,
        )
        return ""


def extensions() -> list[Extension]:
    """Return the extensions, translated to C."""
    from Cython.Build import cythonize

    write_constants()
    # The engine is small functions in one large file. GCC's limits for such a file would leave calls in
    # its shortest paths; with them raised, -O3 adds nothing but unrolled loops of few steps.
    flags = ["-O2", "-fno-strict-aliasing"]
    flags += ["--param=inline-unit-growth=100", "--param=max-inline-insns-single=300"]
    if sys.platform == "win32":
        flags = []

    def extension(folder: str, name: str, **options: object) -> Extension:
        return Extension(
            f"pagebuddy.{name}",
            [f"{folder}/{name}.pyx"],
            extra_compile_args=flags,
            **options,
        )

    wanted = [extension("src/pagebuddy", "_compiled")]
    headers = numpy_headers()
    if headers:
        # Built like this, it works with every numpy that the package supports.
        macros = [(name, "NPY_1_22_API_VERSION") for name in NUMPY_VERSIONS]
        wanted.append(
            extension("src/pagebuddy", "_numpy", include_dirs=[headers], define_macros=macros)
        )
    if UNCHECKED:
        wanted.append(extension("benchmarks", "_unchecked", define_macros=[("PB_CHECKED", "0")]))
    # Cython does not see changes in included files, so everything is translated each time.
    # `_unchecked` includes `pagebuddy/_compiled.pyx`.
    translated = cythonize(wanted, force=True, include_path=["src"])
    for one in translated:
        # Set here, because the translation drops it.
        one.optional = not REQUIRED
    return translated


def built() -> list[Extension]:
    """Return the extensions to compile: none if the package is to stay uncompiled."""
    if PURE:
        return []
    try:
        return extensions()
    except Exception as error:
        if REQUIRED:
            raise
        print(f"pagebuddy: the engine stays uncompiled ({error})", file=sys.stderr)
        return []


if __name__ == "__main__":
    if PURE and REQUIRED:
        sys.exit(
            "PAGEBUDDY_PURE=1 and PAGEBUDDY_REQUIRE_COMPILED=1 contradict each other: unset one"
        )
    setup(ext_modules=built())
