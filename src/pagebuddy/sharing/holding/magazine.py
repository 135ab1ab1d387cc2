"""Magazines: each process caches a few buffers that it dropped, and reuses them without the lock.

Each slot has one, of MAGAZINE_WORDS words. Only its process *loads* buffers into it and *draws* them, by
one atomic swap of a word each. A *round* is a cached buffer: it is live and held by the slot, and its
process has no object for it. It counts as free: a process that has the lock empties the magazines
before it looks at buffers, and if there are not enough free pages.

A *small* round has at most MOST_SMALL_PAGES pages. A *large* one has more, at most MOST_LARGE_BYTES and
a small part of the arena; a magazine has at most MOST_LARGE_ROUNDS of them. Only a process that
allocates large buffers caches some: one that only receives them would keep their pages, and the
processor's cache with them, from their sender.

- A thread loads and draws while it has the GIL, and only if no other thread of its process is in an
  operation without the GIL (`away`): that thread could add an object for the buffer that is being
  loaded. Nothing is loaded or drawn while the arena is recorded.
- A process that takes a round out, with the lock, marks it, ends the hold, and then clears the word. If
  it dies in between, the mark remains, and `mend_magazines` finishes. The owner ignores marked rounds.
- A process can join a buffer by its offset just when it becomes a round. So the owner checks again after
  the swap that it alone holds the buffer; and a process that joins stores its hold first.
- So a round can have other holders, tickets or a key. Then it is not drawn. If its owner gets the buffer
  by one of those, the hold of the round becomes the hold of the new object (`unload`).

Arenas without a mutex have no magazines: their words stay 0.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.state import fail
    from pagebuddy.core.words import FIRST_NODE, is_live, pages_in, store, u64
    from pagebuddy.sharing.holding.holds import (
        begin_count,
        free_if_unused,
        holds,
        is_buffer,
        is_held_by_me_alone,
        is_page,
        remove_hold,
    )
    from pagebuddy.sharing.recording.recording import record_hold
    from pagebuddy.sharing.state import ArenaState, holds_at, magazine_at, slot_at
    from pagebuddy.sharing.system.atomic import fence, peek, swap
    from pagebuddy.sharing.system.child import is_present
    from pagebuddy.sharing.words import (
        A_POISONED,
        F_MAGAZINE,
        LARGE_SHARE,
        MAGAZINE_WORDS,
        MARKED,
        MOST_LARGE_BYTES,
        MOST_LARGE_ROUNDS,
        MOST_SMALL_PAGES,
        SLOT_STATE,
        is_live_slot,
        is_taken,
        node_in,
        round_of,
        size_in,
        size_of_round,
        taken,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_unlocked(a: ArenaState) -> cython.bint:
    """Whether this process may load and draw now."""
    return (
        a.magazine != 0
        and a.away == 0
        and a.recorded == 0
        and a.base[A_POISONED] == 0
        and is_present()
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def can_be_round(a: ArenaState, n: u64) -> cython.bint:
    """Whether a buffer of n pages may be cached."""
    return n <= MOST_SMALL_PAGES or (
        n <= MOST_LARGE_BYTES >> a.page_bits and n <= a.total >> LARGE_SHARE
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_full_of_large(a: ArenaState) -> cython.bint:
    """Whether this process's magazine has as many large rounds as it may have."""
    count: u64 = 0
    at: u64 = a.magazine
    end: u64 = at + MAGAZINE_WORDS
    while at < end:
        count += size_in(peek(a.slots, at)) > MOST_SMALL_PAGES
        at += 1
    return count >= MOST_LARGE_ROUNDS


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def load(a: ArenaState, node: u64) -> cython.bint:
    """Cache a buffer for which this process has no object any more, if possible."""
    if a.magazine == 0:
        # In a forked child its words may belong to another process.
        return False
    link: u64 = a.records[node]
    n: u64 = pages_in(link)
    is_large: cython.bint = n > MOST_SMALL_PAGES
    if not can_be_round(a, n) or (is_large and a.large_due == 0) or not is_unlocked(a):
        return False
    if not is_live(link) or not is_held_by_me_alone(a, node):
        return False
    if is_large and a.most_rounds >= MOST_LARGE_ROUNDS and is_full_of_large(a):
        a.is_full = True
        return False
    i: u64 = a.top_round
    left: u64 = MAGAZINE_WORDS
    while left:
        i = i + 1 & MAGAZINE_WORDS - 1
        at: u64 = a.magazine + i
        if a.slots[at] == 0 and swap(a.slots, at, 0, round_of(node, link)):
            a.top_round = i
            a.most_rounds += 1
            a.large_due -= is_large
            return True
        left -= 1
    a.is_full = True
    return False


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def draw(a: ArenaState, n: u64) -> u64:
    """Take a round of n pages out of the magazine; its node, or 0 if there is none.

    It is a new buffer if this process still holds it alone. Else the caller ends the hold.
    """
    if n > MOST_SMALL_PAGES and a.magazine and a.large_due < MOST_LARGE_ROUNDS:
        a.large_due += 1
    if a.most_rounds == 0 or not can_be_round(a, n) or not is_unlocked(a):
        return 0
    wanted: u64 = size_of_round(n)
    i: u64 = a.top_round
    left: u64 = MAGAZINE_WORDS
    seen: u64 = 0
    while left:
        at: u64 = a.magazine + i
        word: u64 = peek(a.slots, at)
        node: u64 = node_in(word)
        if (
            size_in(word) == wanted
            and is_page(a, node)
            # Never a marked one: `round_of` sets no mark.
            and word == round_of(node, a.records[node])
            and pages_in(a.records[node]) == n
            and is_live(a.records[node])
            and is_held_by_me_alone(a, node)
            and swap(a.slots, at, word, 0)
        ):
            a.top_round = i - 1 & MAGAZINE_WORDS - 1
            a.most_rounds -= 1
            return node
        seen += word != 0
        i = i - 1 & MAGAZINE_WORDS - 1
        left -= 1
    a.most_rounds = seen
    return 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_round(a: ArenaState, slot: u64, word: u64) -> cython.bint:
    """Whether a word of a slot's magazine, marked or not, names a live buffer that the slot holds.

    The buffer can be longer than the word says: a process may have joined and grown it.
    """
    node: u64 = node_in(word)
    return (
        is_buffer(a, node) and (a.records[node] ^ word) & 0x7FF_FFFF == 0 and holds(a, node, slot)
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_round(a: ArenaState, slot: u64, at: u64) -> cython.bint:
    """Take a round out of a slot's magazine, with the lock; False if there is none."""
    while a.fault == 0:
        word: u64 = peek(a.slots, at)
        if word == 0:
            return False
        if is_taken(word) or not is_round(a, slot, word):
            fail(a, F_MAGAZINE, node_in(word))
        elif swap(a.slots, at, word, taken(word)):
            remove_hold(a, node_in(word), slot)
            free_if_unused(a, node_in(word))
            store(a.slots, at, 0)
            return True
    return False


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def empty_magazine(a: ArenaState, slot: u64) -> u64:
    """Take all rounds out of a slot's magazine, with the lock; how many there were."""
    count: u64 = 0
    i: u64 = 0
    while i < MAGAZINE_WORDS:
        count += take_round(a, slot, magazine_at(slot) + i)
        i += 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def make_room(a: ArenaState) -> cython.void:
    """Take rounds out of this process's own full magazine: all large ones, or the older half."""
    i: u64 = a.top_round
    large: cython.bint = is_full_of_large(a)
    left: u64 = MAGAZINE_WORDS if large else MAGAZINE_WORDS // 2
    a.is_full = False
    while left:
        i = i + 1 & MAGAZINE_WORDS - 1
        if not large or size_in(peek(a.slots, a.magazine + i)) > MOST_SMALL_PAGES:
            take_round(a, a.slot, a.magazine + i)
        left -= 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def empty_magazines(a: ArenaState) -> u64:
    """Take all rounds out of all magazines, with the lock; how many there were."""
    count: u64 = 0
    slot: u64 = 1
    while slot < a.n_slots and a.fault == 0 and a.base[A_POISONED] == 0:
        if is_live_slot(a.slots[slot_at(slot) + SLOT_STATE]):
            count += empty_magazine(a, slot)
        slot += 1
    return count


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_out_of_magazines(a: ArenaState, node: u64) -> cython.bint:
    """Empty the magazines that have the buffer at a node; whether a buffer is live there after that.

    A round that nothing else protects is freed, so it does not count as a buffer.
    """
    slot: u64 = 1
    while slot < a.n_slots and is_buffer(a, node):
        if holds(a, node, slot):
            at: u64 = magazine_at(slot)
            end: u64 = at + MAGAZINE_WORDS
            while at < end:
                if node_in(peek(a.slots, at)) == node:
                    empty_magazine(a, slot)
                at += 1
        slot += 1
    return a.fault == 0 and is_buffer(a, node)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def clear_magazine(a: ArenaState, slot: u64) -> cython.void:
    """Clear the words of a magazine whose slot begins or ends. The holds end otherwise."""
    at: u64 = magazine_at(slot)
    end: u64 = at + MAGAZINE_WORDS
    while at < end:
        if a.slots[at]:
            store(a.slots, at, 0)
        at += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def mend_magazines(a: ArenaState) -> cython.void:
    """End the holds of marked rounds, and clear words that are not rounds. Frees nothing yet."""
    slot: u64 = 1
    while slot < a.n_slots:
        at: u64 = magazine_at(slot)
        end: u64 = at + MAGAZINE_WORDS
        while at < end:
            word: u64 = peek(a.slots, at)
            if word and is_taken(word):
                if is_round(a, slot, word):
                    remove_hold(a, node_in(word), slot)
                store(a.slots, at, 0)
            elif word and not is_round(a, slot, word):
                swap(a.slots, at, word, 0)
            at += 1
        slot += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def unload(a: ArenaState, node: u64) -> cython.bint:
    """Take a buffer out of this process's own magazine, if it is there: the caller uses its hold."""
    at: u64 = a.magazine
    end: u64 = at + MAGAZINE_WORDS if at else 0
    while at < end:
        word: u64 = peek(a.slots, at)
        if node_in(word) == node and swap(a.slots, at, word, 0):
            return True
        at += 1
    return False


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def join_hold(a: ArenaState, node: u64, n_bytes: u64) -> cython.void:
    """Add an object of this process for a live buffer. All processes see the hold at once.

    It can be a round of this process: another may have joined it, and sent or kept it.
    """
    at: u64 = holds_at(a, node) + a.my_word
    if a.holds[at] & a.my_bit == 0:
        store(a.holds, at, a.holds[at] | a.my_bit)
        fence()
        begin_count(a, node)
        if node < a.recorded:
            record_hold(a, node, n_bytes)
    elif unload(a, node) or (a.unsettled == MARKED and a.local[node - FIRST_NODE] == 0):
        # It is held without an object.
        begin_count(a, node)
    else:
        a.local[node - FIRST_NODE] += 1
