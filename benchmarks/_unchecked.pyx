# cython: language_level=3, binding=False, always_allow_keywords=False
# cython: embedsignature=True, embedsignature.format=clinic
# distutils: language=c
"""The engine compiled without its checks, to measure their cost. Used by `benchmarks.unchecked`.

PAGEBUDDY_UNCHECKED=1 builds it as `pagebuddy._unchecked`. Without checks, the behaviour with corrupt
metadata is undefined.
"""

include "pagebuddy/_compiled.pyx"
