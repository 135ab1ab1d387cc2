# cython: language_level=3, binding=False, always_allow_keywords=False
# cython: embedsignature=True, embedsignature.format=clinic
# distutils: language=c
"""The same engine with its checks compiled out, to show what they cost. Only for benchmarks.

Built where PAGEBUDDY_UNCHECKED=1 is set. Without checks, corrupt metadata leads anywhere.
"""

include "_compiled.pyx"
