"""ShutDown: what a queue raises that will never have a message again, and iterations end with."""

import sys

if sys.version_info >= (3, 13):
    from queue import ShutDown
else:

    class ShutDown(Exception):
        """A queue was unlinked, or has no producers any more; `queue.ShutDown` since Python 3.13."""


def is_end(error: Exception, is_closed: bool) -> bool:
    """Whether an error of `get` ends an iteration over what is, or is not, closed by now."""
    return is_closed or isinstance(error, ShutDown)


__all__ = ["ShutDown", "is_end"]
