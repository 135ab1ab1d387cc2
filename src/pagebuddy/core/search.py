"""Find free runs across blocks: for requests that no single block can serve, and for figures.

The bits of blocks that do not overlap are in address order. So reading the set bits upwards gives the
free blocks in address order, 32 pages a word. Settle the cached run first.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import ctz, size
    from .state import State, fail, node_at, place_of, section_of, use, use_node
    from .stripe import bit_word
    from .tree import order_around
    from .words import F_BIT, F_FREE, H_HIGH_WATER, SECTION_WORDS, T_PAGE, u64


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def free_until(s: State, place: u64) -> u64:
    """The end of the free block that contains this place; the place itself if it is not free.

    Above the high-water mark everything is free, and is not read.
    """
    if node_at(s, place) >= s.words[H_HIGH_WATER]:
        return s.end_place
    k: u64 = order_around(s, place)
    return place if k > s.top else ((place >> k) + 1) << k


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_free(s: State, place: u64) -> u64:
    """The first place after this one, which is not free, where a free block starts; else the end."""
    bit: u64 = 2 * place
    if node_at(s, place) >= s.words[H_HIGH_WATER]:
        fail(s, F_FREE, node_at(s, place))
        return s.end_place
    while bit < 2 * s.end_place:
        if node_at(s, bit >> 1) >= s.words[H_HIGH_WATER]:
            # The block that contains the high-water mark may have its bit much further up.
            start: u64 = place_of(s, s.words[H_HIGH_WATER])
            k: u64 = order_around(s, start)
            if k <= s.top:
                start = start >> k << k
            if start > place:
                return start
            break
        word: u64 = s.words[bit_word(s, bit)] >> (bit & 63)
        if word:
            bit += ctz(word)
            # Bit 0 belongs to no block.
            start = (bit - size(ctz(bit))) >> 1 if bit else place
            if start > place and start < s.end_place:
                return start
            break
        bit = (bit | 63) + 1
    if bit < 2 * s.end_place:
        # A search that returned to its start would never end.
        fail(s, F_BIT, node_at(s, place))
    return s.end_place


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_block(s: State, node: u64) -> u64:
    """The node of the first free block that starts here or later, its section in use; else 0."""
    while s.fault == 0 and use_node(s, node):
        place: u64 = place_of(s, node)
        k: u64 = order_around(s, place)
        if k > s.top:
            place = next_free(s, place)
            if place < s.end_place:
                return node_at(s, place)
        elif place >> k << k == place:
            return node
        else:
            place = ((place >> k) + 1) << k
        node = node_at(s, place)
    return 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def next_run(s: State, place: u64, enough: u64) -> cython.void:
    """Set `run_begin` and `run_end` to the next free run of the section, or both to its end.

    A run with `enough` pages is not followed further.
    """
    if free_until(s, place) == place:
        place = next_free(s, place)
    s.run_begin = place
    s.run_end = place
    while s.run_end < s.end_place and s.run_end - s.run_begin < enough:
        further: u64 = free_until(s, s.run_end)
        if further == s.run_end:
            return
        s.run_end = further


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def first_section(s: State, above: u64) -> u64:
    """The first section that may contain a page from `above` on."""
    i: u64 = section_of(s, above, T_PAGE)
    return 0 if i == s.n_sections else i


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def open_window(s: State, i: u64, above: u64, last: u64) -> cython.bint:
    """Put section i in use and set the window to its part of it; False after the last section."""
    if i >= s.n_sections or s.table[i * SECTION_WORDS + T_PAGE] > last:
        return False
    use(s, i)
    s.window_begin = s.first_place
    if above > s.first_page:
        s.window_begin += above - s.first_page
    s.window_end = s.end_place
    if last - s.first_page < s.pages:
        s.window_end = s.first_place + (last - s.first_page) + 1
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def pad(s: State, place: u64, align: u64) -> u64:
    """The number of pages from a place to the next page number that is a multiple of align."""
    skew: u64 = (s.first_page + (place - s.first_place)) & (align - 1)
    return align - skew if skew else 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def find(s: State, n: u64, above: u64, last: u64, align: u64) -> u64:
    """The node of the first n aligned free pages from `above` to `last`; 0 if there are none."""
    i: u64 = first_section(s, above)
    while open_window(s, i, above, last):
        at: u64 = s.window_begin
        while at < s.window_end and s.fault == 0:
            next_run(s, at, n + align)
            at = s.run_begin + pad(s, s.run_begin, align)
            limit: u64 = s.window_end if s.window_end < s.run_end else s.run_end
            if at < limit and n <= limit - at:
                return node_at(s, at)
            at = s.run_end
        i += 1
    return 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def measure(s: State, above: u64, last: u64) -> cython.void:
    """Set `free_pages` and `longest_run` to the figures of the pages from `above` to `last`."""
    s.free_pages = 0
    s.longest_run = 0
    i: u64 = first_section(s, above)
    while open_window(s, i, above, last):
        at: u64 = s.window_begin
        while at < s.window_end and s.fault == 0:
            next_run(s, at, s.total)
            at = s.run_end
            limit: u64 = s.window_end if s.window_end < s.run_end else s.run_end
            if s.run_begin < limit:
                s.free_pages += limit - s.run_begin
                if limit - s.run_begin > s.longest_run:
                    s.longest_run = limit - s.run_begin
        i += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def all_free(s: State, place: u64, n: u64) -> cython.bint:
    """Whether n pages of the section, from a place on, are all free."""
    end: u64 = place + n
    while place < end:
        further: u64 = free_until(s, place)
        if further == place:
            return False
        place = further
    return True
