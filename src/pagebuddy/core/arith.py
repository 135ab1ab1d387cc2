"""Arithmetic of orders and sizes."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .words import u64

    def ctz(x: u64) -> u64:
        """The number of trailing zeros of x > 0: the largest order of a block at place x."""
        return (x & -x).bit_length() - 1

    def log2(x: u64) -> u64:
        """The largest k with 2^k <= x, for x > 0."""
        return x.bit_length() - 1


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def size(k: u64) -> u64:
    """The pages in a block of order k."""
    page: u64 = 1
    return page << k


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def order_for(n: u64) -> u64:
    """The smallest order whose blocks have at least n > 0 pages."""
    return log2(2 * n - 1)


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def order_from(place: u64, n: u64, top: u64) -> u64:
    """The largest order of a block that starts at a place and has at most n > 0 pages."""
    k: u64 = log2(n)
    aligned: u64 = ctz(place | size(top))
    return aligned if aligned < k else k


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_aligned(place: u64, n: u64) -> cython.bint:
    """Whether a place is a multiple of the smallest power of two that is at least n."""
    return place & (0 - place) >= n or place == 0
