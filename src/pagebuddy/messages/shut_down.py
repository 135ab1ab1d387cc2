"""ShutDown: what a queue raises that will never have a message again."""

import sys

if sys.version_info >= (3, 13):
    from queue import ShutDown
else:

    class ShutDown(Exception):
        """A queue was unlinked, or has no producers any more; `queue.ShutDown` since Python 3.13."""


__all__ = ["ShutDown"]
