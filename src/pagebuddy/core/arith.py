"""Arithmetic of orders, sizes, and the free bits of a group."""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .words import ALL_BITS, u64

    # The pages of a group at which a block of order k can start.
    ALIGNED = tuple(sum(1 << i for i in range(0, 64, 1 << k)) for k in range(7))

    def ctz(x: u64) -> u64:
        """The number of trailing zeros of x > 0: the largest order of a block at place x."""
        return (x & -x).bit_length() - 1

    def log2(x: u64) -> u64:
        """The largest k with 2^k <= x, for x > 0."""
        return x.bit_length() - 1

    def ones(x: u64) -> u64:
        """The number of bits that are 1."""
        return x.bit_count()


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


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def bits(i: u64, n: u64) -> u64:
    """The bits of n > 0 pages of a group, from page i on."""
    return ALL_BITS >> (64 - n) << i


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def block_bits(i: u64, k: u64) -> u64:
    """The bits of the block of order k <= 6 that contains page i of a group."""
    return bits(i & (0 - size(k)), size(k))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def starts(free: u64, k: u64) -> u64:
    """The bits of the pages at which aligned runs of 2^k free pages start, for k <= 6."""
    m: u64 = size(k) - 1
    free &= free >> (m & 1)
    free &= free >> (m & 2)
    free &= free >> (m & 4)
    free &= free >> (m & 8)
    free &= free >> (m & 16)
    free &= free >> (m & 32)
    return free & ALIGNED[k]


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def largest(free: u64) -> u64:
    """One more than the order of the largest aligned run among the free bits; 0 if there are none.

    A step for each order: are both halves of a block free?
    """
    found: u64 = free != 0
    free &= free >> 1 & ALIGNED[1]
    found += free != 0
    free &= free >> 2 & ALIGNED[2]
    found += free != 0
    free &= free >> 4 & ALIGNED[3]
    found += free != 0
    free &= free >> 8 & ALIGNED[4]
    found += free != 0
    free &= free >> 16 & ALIGNED[5]
    found += free != 0
    free &= free >> 32
    return found + (free & 1)
