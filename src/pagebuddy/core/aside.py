"""The span freed last, kept aside whole, in one word.

Taking it back costs neither list work nor a cascade of merges. It stays until another is freed or it is
needed; *settling* gives it to the lists.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from .arith import is_aligned
    from .state import State, fail, place_of, use_node
    from .tree import release
    from .words import F_ASIDE, H_ASIDE, low, pages_in, u64


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def aside_is_sound(s: State, aside: u64) -> cython.bint:
    """Whether what the word names could be aside; its section is then in use."""
    node: u64 = low(aside)
    n: u64 = pages_in(aside)
    if not use_node(s, node) or n == 0 or node + n > s.end_node or s.links[node]:
        fail(s, F_ASIDE, node)
        return False
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def settle(s: State) -> cython.void:
    """Give what is aside to the lists. This may put another section in use."""
    aside: u64 = s.words[H_ASIDE]
    if aside:
        s.words[H_ASIDE] = 0
        if aside_is_sound(s, aside):
            release(s, place_of(s, low(aside)), pages_in(aside))


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def put_aside(s: State, node: u64, n: u64) -> cython.void:
    """Keep a run of the section in use aside, in place of what was."""
    if s.words[H_ASIDE]:
        settle(s)
    s.words[H_ASIDE] = n << 32 | node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def take_aside(s: State, n: u64) -> u64:
    """The node of what is aside, if it is n pages, aligned to their power of two; else 0.

    Only if it is in the section in use. Alignment is looked at here and not when the span is put aside:
    here nothing waits for the answer.
    """
    aside: u64 = s.words[H_ASIDE]
    node: u64 = low(aside)
    if (
        aside >> 32 != n
        or node < s.first_node
        or node + n > s.end_node
        or s.links[node]
        or not is_aligned(place_of(s, node), n)
    ):
        return 0
    s.words[H_ASIDE] = 0
    return node


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def after_aside(s: State, node: u64) -> u64:
    """The node after what is aside, if that has this node of the section in use; else the node itself.

    For walks that must not settle. A word that cannot be is not believed, as the records are the truth.
    """
    aside: u64 = s.words[H_ASIDE]
    first: u64 = low(aside)
    end: u64 = first + pages_in(aside)
    if node < first or node >= end or first < s.first_node or end > s.end_node or s.links[first]:
        return node
    return end


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_aside_elsewhere(s: State, n: u64) -> u64:
    """`take_aside` from any section."""
    aside: u64 = s.words[H_ASIDE]
    if aside >> 32 != n or not aside_is_sound(s, aside):
        return 0
    return take_aside(s, n)
