"""Messages that cannot be unpickled, for tests."""

from __future__ import annotations

import numpy as np


class Poisonous:
    """Raises when it is unpickled, after an array was."""

    def __init__(self, error=RuntimeError):
        self.error = error

    def __reduce__(self):
        return refuse_after, (np.arange(1000), self.error)


def refuse_after(array, error):
    del array
    raise error("cannot be unpickled")
