"""What a forked worker inherits in the frames of its parent, to which it never returns."""

from __future__ import annotations

import sys
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from pagebuddy.engine import Buffer


def release_inherited() -> None:
    """Release buffers, arrays and views that are local variables of the process that forked this one.

    No function that a worker runs can reach them. Global variables, what closures use, and objects in
    others stay as they are. From Python 3.14 on, a frame keeps what its variables referred to.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not BaseProcess.start.__code__:
        frame = frame.f_back
    if frame is None:
        # This process was not forked from frames of Python.
        return
    numpy = sys.modules.get("numpy")
    kinds = (Buffer, memoryview) if numpy is None else (Buffer, memoryview, numpy.ndarray)
    while (frame := frame.f_back) is not None:
        if frame.f_locals is not frame.f_globals:
            _release_in(frame, kinds)


def _release_in(frame: FrameType, kinds: tuple[type, ...]) -> None:
    code = frame.f_code
    shared = {*code.co_cellvars, *code.co_freevars}
    variables: Any = frame.f_locals
    found = [
        name
        for name, value in variables.items()
        if name not in shared and name in code.co_varnames and isinstance(value, kinds)
    ]
    for name in found:
        variables[name] = None
    if found and sys.version_info < (3, 13):
        # Before PEP 667, this is a copy.
        from ctypes import c_int, py_object, pythonapi

        pythonapi.PyFrame_LocalsToFast(py_object(frame), c_int(0))
    if type(variables) is dict:
        variables.clear()
