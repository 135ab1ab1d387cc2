"""What is done to the messages of a ring under its lock: put, take, give back, end what the dead own."""

from typing import Any

from pagebuddy.core import stand_in as cython

if not cython.compiled:
    from pagebuddy.buffers.attachment import Attachment
    from pagebuddy.core.words import low, store, u64
    from pagebuddy.messages.ring import (
        Ring,
        advance_tail,
        cell_at,
        code_of,
        count_ready,
        folded,
        is_dead_owner,
        is_owned,
        is_whole_cell,
        owned_state,
        place_of_message,
        set_guarded,
        set_state,
        size_of_message,
        sum_of_cell,
    )
    from pagebuddy.messages.rows import count_task, is_whole_row, note_producer, row_at
    from pagebuddy.sharing.system.atomic import swap
    from pagebuddy.sharing.words import (
        C_CRC,
        C_NUMBER,
        C_SIZES,
        C_START,
        C_STATE,
        CLOSED,
        DAMAGED,
        DONE,
        FULL,
        IN_HAND,
        NOTHING_READY,
        OVER,
        QUEUE,
        R_CLOSED,
        R_HEAD,
        R_NEXT,
        R_PENDING,
        R_READY,
        R_TAIL,
        READY,
        ROW_NEXT,
        ROW_STATE,
        ROW_TASKS,
        STALE,
        TOPIC_BLOCK,
        VOID,
        WRITING,
    )


@cython.no_gc
@cython.freelist(64)
@cython.final
@cython.cclass
class Message:
    """A message on its way into a ring or out of it.

    `owned` is WRITING or IN_HAND while its cell belongs to this object: if the object ends like that,
    the message is given up or given back. If it is READING, the object is the place of a subscription,
    which ends with it.
    """

    ring: Ring
    owned: u64
    number: u64
    state: u64  # of the cell, when it was looked at
    n_bytes: u64  # without the references
    n_refs: u64
    crc: u64
    refs_at: u64  # word of the ring where the references start
    bytes_at: u64  # byte of the region where the message starts
    source: cython.p_uchar
    source_owner: Any
    refs: cython.p_ulonglong  # room for copies of references
    refs_owner: Any
    n_room: u64  # words
    row: u64  # of a subscription
    thing: Any  # that was unpacked
    others: Any  # messages that are received together with this one, in a list

    @property
    def received(self) -> Any:
        """The object that was unpacked: from now on the message is received, and its cell is free.

        Looking up an attribute is no call: no signal is handled before its function returns.
        """
        if not cython.compiled:
            from pagebuddy.messages.transfers import finish_received
        finish_received(self)
        return self.thing

    @property
    def all_received(self) -> Any:
        """The same for this message and the `others`, in a list."""
        if not cython.compiled:
            from pagebuddy.messages.transfers import finish_received
        things = [self.thing]
        for each in self.others:
            other: Message = each
            things.append(other.thing)
        finish_received(self)
        for each in self.others:
            finish_received(each)
        return things

    if cython.compiled:

        def __dealloc__(self) -> None:
            if self.owned:
                settle_message(self)  # type: ignore[name-defined]  # noqa: F821

    else:

        def __del__(self) -> None:
            if self.owned:
                from pagebuddy.messages.transfers import settle_message

                settle_message(self)

    def __reduce__(self) -> Any:
        raise TypeError("a message on its way cannot be copied or pickled")


if not cython.compiled:

    def copy_to_region(r: Ring, m: Message) -> None:
        """Copy a message's bytes to their place in the ring."""
        r.region[m.bytes_at : m.bytes_at + m.n_bytes] = m.source[: m.n_bytes]


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def describe(r: Ring, m: Message, at: u64) -> cython.bint:
    """Set what a whole cell says of its message; False if it contradicts itself."""
    if not is_whole_cell(r, at, m.number):
        return False
    m.n_refs = r.words[at + C_SIZES] >> 32
    m.n_bytes = size_of_message(r, at) - 16 * m.n_refs
    m.refs_at = r.region_at + (place_of_message(r, at) >> 3)
    m.bytes_at = place_of_message(r, at) + 16 * m.n_refs
    m.crc = r.words[at + C_CRC] >> 32
    m.state = r.words[at + C_STATE]
    return True


@cython.nogil
@cython.exceptval(check=False)
@cython.inline
@cython.cfunc
def is_of_message(r: Ring, at: u64, number: u64) -> cython.bint:
    """Whether a cell is that of a message, in a state that there is."""
    state: u64 = r.words[at + C_STATE]
    return (
        r.words[at + C_NUMBER] == number
        and folded(state) == 0
        and code_of(state) in (READY, WRITING, IN_HAND, OVER, VOID)
    )


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def reserve(r: Ring, m: Message) -> u64:
    """Find a cell and room for a message of that size, and store all but its bytes and its state."""
    advance_tail(r)
    head: u64 = r.words[R_HEAD]
    tail: u64 = r.words[R_TAIL]
    if r.words[R_CLOSED]:
        return CLOSED
    at: u64 = cell_at(r, tail)
    if head != tail and not is_of_message(r, at, tail):
        # The tail would stay there for ever. A message may become over at any time, without the lock.
        return DAMAGED
    used: u64 = r.words[R_PENDING] if r.kind == QUEUE else head - tail
    if head - tail == r.n_cells or (r.limit and used >= r.limit):
        return FULL
    size: u64 = 16 * m.n_refs + m.n_bytes
    whole: u64 = (size + 7) & ~7
    begin: u64 = 0
    if head:
        last: u64 = cell_at(r, head - 1)
        if not is_whole_cell(r, last, head - 1):
            return DAMAGED
        begin = r.words[last + C_START] + ((size_of_message(r, last) + 7) & ~7)
    place: u64 = begin & (r.n_bytes - 1)
    if place + whole > r.n_bytes:
        begin += r.n_bytes - place
    oldest: u64 = begin
    if head != tail:
        oldest = r.words[cell_at(r, tail) + C_START]
        if oldest > begin:
            return DAMAGED
    if begin + whole - oldest > r.n_bytes:
        return FULL
    at = cell_at(r, head)
    m.number = head
    store(r.words, at + C_NUMBER, head)
    store(r.words, at + C_START, begin)
    store(r.words, at + C_SIZES, m.n_refs << 32 | size)
    m.refs_at = r.region_at + ((begin & (r.n_bytes - 1)) >> 3)
    m.bytes_at = (begin & (r.n_bytes - 1)) + 16 * m.n_refs
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def is_awaited(a: Attachment, r: Ring, number: u64) -> cython.bint:
    """Whether a subscription of a living process has a message still to read."""
    row: u64 = 0
    while row < r.n_rows:
        at: u64 = row_at(r, row)
        state: u64 = r.words[at + ROW_STATE]
        if state and r.words[at + ROW_NEXT] <= number:
            if not is_dead_owner(a, state):
                return True
            store(r.words, at + ROW_STATE, 0)
        row += 1
    return False


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def evict(a: Attachment, r: Ring, m: Message) -> u64:
    """End the oldest message of a topic, or take it, if it has tickets; FULL if it is still needed."""
    advance_tail(r)
    m.number = r.words[R_TAIL]
    at: u64 = cell_at(r, m.number)
    if m.number == r.words[R_HEAD] or code_of(r.words[at + C_STATE]) != READY:
        return FULL
    if not describe(r, m, at):
        return DAMAGED
    if r.kind == TOPIC_BLOCK and is_awaited(a, r, m.number):
        return FULL
    if m.n_refs:
        m.owned = IN_HAND
    set_state(a, r, m.number, IN_HAND if m.n_refs else OVER)
    count_ready(r, r.words[R_PENDING] - 1, r.words[R_READY] - 1)
    if m.n_refs == 0:
        advance_tail(r)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def reserve_or_evict(a: Attachment, r: Ring, m: Message) -> u64:
    """`reserve`; in a topic, end old messages without tickets until there is room."""
    answer: u64 = reserve(r, m)
    while answer == FULL and r.kind != QUEUE:
        n_bytes: u64 = m.n_bytes
        n_refs: u64 = m.n_refs
        crc: u64 = m.crc
        at: u64 = cell_at(r, r.words[R_TAIL])
        if r.words[at + C_SIZES] >> 32:
            return FULL
        answer = evict(a, r, m)
        m.n_bytes = n_bytes
        m.n_refs = n_refs
        m.crc = crc
        if answer != DONE:
            return answer
        answer = reserve(r, m)
    return answer


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def complete(r: Ring, m: Message) -> cython.void:
    """Store a message's bytes, and the sums of its cell."""
    at: u64 = cell_at(r, m.number)
    copy_to_region(r, m)
    store(r.words, at + C_CRC, m.crc << 32 | sum_of_cell(r, at))


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def put_message(a: Attachment, r: Ring, m: Message) -> u64:
    """Put a message without tickets: FULL if there is no room."""
    answer: u64 = reserve_or_evict(a, r, m)
    if answer != DONE:
        return answer
    complete(r, m)
    note_producer(a, r)
    set_state(a, r, m.number, READY)
    set_guarded(r, R_HEAD, m.number + 1)
    count_ready(r, r.words[R_PENDING] + 1, r.words[R_READY] + 1)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def reserve_message(a: Attachment, r: Ring, m: Message) -> u64:
    """Reserve room for a message with tickets; this process writes it."""
    answer: u64 = reserve_or_evict(a, r, m)
    if answer != DONE:
        return answer
    i: u64 = 0
    while i < 2 * m.n_refs:
        store(r.words, m.refs_at + i, 0)
        i += 1
    at: u64 = cell_at(r, m.number)
    store(r.words, at + C_CRC, sum_of_cell(r, at))
    note_producer(a, r)
    m.owned = WRITING
    set_state(a, r, m.number, WRITING)
    set_guarded(r, R_HEAD, m.number + 1)
    count_ready(r, r.words[R_PENDING] + 1, r.words[R_READY])
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def commit_message(a: Attachment, r: Ring, m: Message) -> u64:
    """Let a message that this process has written be taken."""
    if not is_owned(a, r, m.number, WRITING):
        return STALE
    complete(r, m)
    set_state(a, r, m.number, READY)
    m.owned = 0
    count_ready(r, r.words[R_PENDING], r.words[R_READY] + 1)
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def take_message(a: Attachment, r: Ring, m: Message) -> u64:
    """Take the first message that is ready."""
    if r.words[R_READY] == 0:
        return CLOSED if r.words[R_CLOSED] else NOTHING_READY
    head: u64 = r.words[R_HEAD]
    m.number = r.words[R_NEXT] if r.words[R_NEXT] > r.words[R_TAIL] else r.words[R_TAIL]
    next_: u64 = m.number
    while m.number < head:
        at: u64 = cell_at(r, m.number)
        code: u64 = code_of(r.words[at + C_STATE])
        if code == READY:
            if not describe(r, m, at) or not is_whole_row(r, row_at(r, a.slot)):
                return DAMAGED
            count_task(a, r, True)
            m.owned = IN_HAND
            set_state(a, r, m.number, IN_HAND)
            count_ready(r, r.words[R_PENDING] - 1, r.words[R_READY] - 1)
            if next_ == m.number:
                set_guarded(r, R_NEXT, m.number + 1)
            return DONE
        if folded(r.words[at + C_STATE]) or code not in (WRITING, IN_HAND, OVER, VOID):
            return DAMAGED
        if code != WRITING and next_ == m.number:
            next_ += 1
        m.number += 1
    return DAMAGED


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def give_back_message(a: Attachment, r: Ring, m: Message) -> u64:
    """Let a message that this process took, and did not receive, be taken again."""
    if is_owned(a, r, m.number, IN_HAND):
        count_task(a, r, False)
        set_state(a, r, m.number, READY)
        if r.words[R_NEXT] > m.number:
            set_guarded(r, R_NEXT, m.number)
        count_ready(r, r.words[R_PENDING] + 1, r.words[R_READY] + 1)
    m.owned = 0
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def give_up_message(a: Attachment, r: Ring, m: Message) -> u64:
    """End a message that this process began to write. Its tickets have ended."""
    if is_owned(a, r, m.number, WRITING):
        set_state(a, r, m.number, VOID)
        count_ready(r, r.words[R_PENDING] - 1, r.words[R_READY])
    m.owned = 0
    return DONE


@cython.exceptval(check=False)
@cython.cfunc
def finish_message(a: Attachment, r: Ring, m: Message) -> cython.void:
    """Free the cell of a message that was received, and whose tickets have ended."""
    at: u64 = cell_at(r, m.number) + C_STATE
    swap(r.words, at, owned_state(a, IN_HAND), owned_state(a, OVER))
    m.owned = 0


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def copy_refs(r: Ring, m: Message) -> cython.void:
    """Copy a message's references, as many as there is room for."""
    i: u64 = 0
    while i < 2 * m.n_refs and i < m.n_room:
        m.refs[i] = r.words[m.refs_at + i]
        i += 1


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def find_dead(a: Attachment, r: Ring, m: Message) -> u64:
    """Find the first message, from `number` on, that a dead process writes or has in hand.

    Copies its references, while nobody can end it, if there is room for them.
    """
    advance_tail(r)
    if m.number < r.words[R_TAIL]:
        m.number = r.words[R_TAIL]
    while m.number < r.words[R_HEAD]:
        at: u64 = cell_at(r, m.number)
        state: u64 = r.words[at + C_STATE]
        if code_of(state) in (WRITING, IN_HAND) and folded(state) == 0 and is_dead_owner(a, state):
            if not describe(r, m, at):
                return DAMAGED
            copy_refs(r, m)
            return DONE
        m.number += 1
    return NOTHING_READY


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def bury(r: Ring, m: Message) -> u64:
    """End a message of a dead process, whose tickets have ended, if it is still as it was found."""
    at: u64 = cell_at(r, m.number)
    if r.words[at + C_NUMBER] == m.number and r.words[at + C_STATE] == m.state:
        over: u64 = m.state >> 32 << 32 | (m.state & 0xFF_FF00)
        over |= VOID if code_of(m.state) == WRITING else OVER
        store(r.words, at + C_STATE, over | folded(over) << 24)
        if code_of(m.state) == WRITING:
            count_ready(r, r.words[R_PENDING] - 1, r.words[R_READY])
    return DONE


@cython.nogil
@cython.exceptval(check=False)
@cython.cfunc
def count_rows(a: Attachment, r: Ring, m: Message) -> u64:
    """Count what rows of living processes say: `n_refs` producers, and `n_bytes` open tasks."""
    m.n_refs = m.n_bytes = 0
    slot: u64 = 0
    while slot < r.n_rows:
        at: u64 = row_at(r, slot)
        tasks: u64 = r.words[at + ROW_TASKS]
        if r.kind == QUEUE and not is_whole_row(r, at):
            return DAMAGED
        if r.words[at + ROW_STATE] and not is_dead_owner(a, r.words[at + ROW_STATE]):
            m.n_refs += 1
        if low(tasks) and not is_dead_owner(a, tasks >> 32 << 32 | slot << 8):
            m.n_bytes += low(tasks)
        slot += 1
    m.n_bytes += r.words[R_PENDING]
    m.number = r.words[R_HEAD]
    return DONE
