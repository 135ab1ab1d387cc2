"""Magazines: a few small blocks that a process dropped, and has again without the arena's lock.

Each slot has one, of MAGAZINE_WORDS words, and its process alone loads it and draws from it, by one swap
of a word each. A *round* in it is a live buffer that the slot holds, that nobody else has anything to do
with, and for which its process has no object. To all who look it is free: whoever has the lock empties
the magazines before it looks at buffers, and where pages are short.

- A thread loads and draws with the interpreter's lock, and only while no other thread of its process is
  in an operation without it (`away`): that one might count another object for what is being loaded. Nor
  while what it holds is recorded.
- Whoever takes a round out marks it, ends the hold, and then clears the word. Who dies in between leaves
  the mark, and the next one finishes. No process touches a round of its own that is marked.
- A buffer that is asked for by its place may become a round just then. So who draws looks again whether
  it holds it alone, after the swap; who joins has stored its hold before it looks at anything else.
- So a round may have other holders, tickets or a key. Then it is not drawn; and its process, where it
  gains the buffer by those, has the hold of the round for it.

Arenas that are not locked by a mutex have no magazines: their words stay 0.
"""

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.core.state import fail
    from pagebuddy.core.words import N_HEADS, is_live, pages_in, store, u64
    from pagebuddy.sharing.holding.holds import (
        free_if_unused,
        holds,
        is_buffer,
        is_held_by_me_alone,
        remove_hold,
    )
    from pagebuddy.sharing.recording.recording import record_hold
    from pagebuddy.sharing.state import ArenaState, holds_at, magazine_at, slot_at
    from pagebuddy.sharing.system.atomic import fence, peek, swap
    from pagebuddy.sharing.system.child import is_present
    from pagebuddy.sharing.words import (
        A_POISONED,
        F_MAGAZINE,
        MAGAZINE_WORDS,
        MOST_ROUND_PAGES,
        SLOT_STATE,
        is_live_slot,
        is_taken,
        node_in,
        round_of,
        taken,
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_unlocked(a: ArenaState) -> cython.bint:
    """Whether this process may load its magazine and draw from it just now."""
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
def load(a: ArenaState, node: u64) -> cython.bint:
    """Make a round of a small buffer that no object of this process uses any more, if that can be."""
    if a.magazine == 0:
        # Its words may not be this process's any more.
        return False
    link: u64 = a.links[node]
    if pages_in(link) > MOST_ROUND_PAGES or not is_unlocked(a):
        return False
    if not is_live(link) or not is_held_by_me_alone(a, node):
        return False
    i: u64 = a.top_round
    left: u64 = MAGAZINE_WORDS
    while left:
        i = i + 1 & MAGAZINE_WORDS - 1
        at: u64 = a.magazine + i
        if a.slots[at] == 0 and swap(a.slots, at, 0, round_of(node, link)):
            a.top_round = i
            a.most_rounds += 1
            return True
        left -= 1
    a.is_full = True
    return False


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_page(a: ArenaState, node: u64) -> cython.bint:
    """Whether a node is a page's. Flipped bits may have made it anything."""
    return node >= N_HEADS and node < a.n_nodes


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def draw(a: ArenaState, n: u64) -> u64:
    """The node of a round of n pages, out of the magazine; 0 where there is none.

    It is a new buffer if this process still holds it alone. Else its hold is to be ended.
    """
    if a.most_rounds == 0 or n > MOST_ROUND_PAGES or not is_unlocked(a):
        return 0
    i: u64 = a.top_round
    left: u64 = MAGAZINE_WORDS
    seen: u64 = 0
    while left:
        at: u64 = a.magazine + i
        word: u64 = peek(a.slots, at)
        node: u64 = node_in(word)
        if (
            word >> 27 & 31 == n
            and is_page(a, node)
            # Never what is marked: no record makes a round so.
            and word == round_of(node, a.links[node])
            and pages_in(a.links[node]) == n
            and is_live(a.links[node])
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
    """Whether a word of a slot's magazine, marked or not, can be; its section is then in use.

    It may be longer by now: another may have joined it before it was a round, and grown it.
    """
    node: u64 = node_in(word)
    return is_buffer(a, node) and (a.links[node] ^ word) & 0x7FF_FFFF == 0 and holds(a, node, slot)


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_round(a: ArenaState, slot: u64, at: u64) -> cython.bint:
    """Take a round out of a slot's magazine, with the lock; False where there is none."""
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
    """Take every round out of a slot's magazine, with the lock; how many there were."""
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
    """Take the older half out of this process's own magazine, which was full, with the lock."""
    i: u64 = a.top_round
    left: u64 = MAGAZINE_WORDS // 2
    a.is_full = False
    while left:
        i = i + 1 & MAGAZINE_WORDS - 1
        take_round(a, a.slot, a.magazine + i)
        left -= 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def empty_magazines(a: ArenaState) -> u64:
    """Take every round out of every magazine, with the lock; how many there were."""
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
def is_used(a: ArenaState, node: u64) -> cython.bint:
    """Whether a node is the first of a live buffer that is no round; its section is then in use.

    One that is a round is free from now on.
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
    """Forget the rounds of a slot whose process is no more, or is about to have it, or to leave it."""
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
    """End the holds of all rounds that are marked, and forget what is none. Nothing is freed yet."""
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
    """Whether a buffer was a round of this process, which it is no more: an object has its hold now."""
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
    """One local object more uses a live buffer. All see it from now on, also who draws a round.

    It may be a round of this process's own: another may have joined it just before, and sent or kept it.
    """
    at: u64 = holds_at(a, node) + a.my_word
    if a.holds[at] & a.my_bit == 0:
        store(a.holds, at, a.holds[at] | a.my_bit)
        fence()
        if node < a.recorded:
            record_hold(a, node, n_bytes)
    elif not unload(a, node):
        a.local[node - N_HEADS] += 1
