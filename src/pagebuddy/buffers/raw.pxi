"""Raw buffers: for C code that may run without the GIL. `_numpy` uses them for numpy's arrays.

A *raw* buffer has no Python object. C code has its address, and this process's hold ends when that code
gives the address back. The address says which buffer it is; nothing else is trusted.

These functions create no Python objects and raise nothing. They may be called with the GIL or without. With
it they wait for the lock as well, at most LOCK_PATIENCE_MS, because numpy does not expect other threads to
run meanwhile: the owner of the lock never waits for the GIL. After a wait in vain, only calls that are
*patient*, whose caller has no other memory to use, wait until the lock was available once. They use no magazine: loading and drawing need the GIL.
"""

cdef extern from *:
    """
    #if defined(__linux__)
      /* Allocate blocks for a part of the arena's file; 0 if there is no room, or the file is not there any
         more. As in `Mapped.back`, a file system that cannot do this in advance counts as having room. */
      static int pb_backed(int fd, pb_u64 offset, pb_u64 length) {
          int failed;
          do failed = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length);
          while (failed && errno == EINTR);
          return !failed || errno == EOPNOTSUPP || errno == ENOSYS; }
    #else
      static int pb_backed(int fd, pb_u64 offset, pb_u64 length) { return 0; }
    #endif
    #if defined(_MSC_VER)
      #define pb_count(word) ((void)InterlockedIncrement64((volatile long long *)(word)))
    #else
      #define pb_count(word) ((void)__atomic_fetch_add(word, 1, __ATOMIC_RELAXED))
    #endif
    """
    bint backed_part "pb_backed"(int fd, u64 offset, u64 length) nogil
    void count_up "pb_count"(u64 *word) nogil
    int has_gil "PyGILState_Check"() nogil

from cpython.pycapsule cimport PyCapsule_New

# One granule is backed in each round. A split of the largest block needs one for each order at most.
cdef enum:
    MOST_ROUNDS_OF_BACKING = 100
    # Requesting more takes so long that other threads should run.
    MOST_BACKED_WITH_GIL = 1 << 20


cdef u64 raw_enter(ArenaState a, u64 operation, int patient) noexcept nogil:
    """`enter`, waiting for a short time: DONE, or the reason why not."""
    if a.lock_kind == LOCK_NONE and not has_gil():
        # There, the GIL is the lock.
        return LOCKED
    cdef u64 answer = enter(a, operation, 0)
    if answer == LOCKED and (patient or not (a.hasty or a.deferred)):
        answer = enter(a, operation, LOCK_PATIENCE_MS)
    a.hasty = answer == LOCKED
    return answer


cdef bint is_part_backed(ArenaState a, u64 offset, u64 length) noexcept nogil:
    """Back a part of the arena's file, if this process still has the file."""
    cdef u64 n_bytes = a.data_address - <u64> <size_t> a.base + (a.total << a.page_bits)
    return (
        is_file(<int> a.fd, a.device, a.inode)
        and not is_cut(<int> a.fd, a.device, a.inode, n_bytes)
        and backed_part(<int> a.fd, offset, length)
    )


cdef bint back_words_of(ArenaState a, u64 node) noexcept nogil:
    """Back the record words, the holds and the groups that an operation misses at a node: see `backing`."""
    cdef u64 granule, place, end
    cdef i64 first, last
    if not is_page(a, node):
        return False
    granule = granule_of(a, node)
    end = (((node - FIRST_NODE + 1) >> a.top) + 1) << a.top
    if end > a.total:
        end = a.total
    place = a.known_groups
    if end > place:
        first = (a.groups - a.base) + <i64> (GROUP_WORDS * group_at(a, place))
        last = (a.groups - a.base) + <i64> (GROUP_WORDS * (group_at(a, end - 1) + 1))
        if not is_part_backed(a, first * 8, (last - first) * 8):
            return False
    first = (a.records - a.base) + <i64> (granule * GRANULE) - <i64> a.skew
    if not is_part_backed(a, first * 8, GRANULE * 8):
        return False
    # The pages whose records these are.
    first = <i64> (granule * GRANULE) - <i64> a.skew - <i64> FIRST_NODE
    last = first + GRANULE
    if first < 0:
        first = 0
    if last > <i64> a.total:
        last = a.total
    if first < last:
        place = (a.holds - a.base) + first * a.words_of_holds
        if not is_part_backed(a, place * 8, (last - first) * a.words_of_holds * 8):
            return False
    set_bits(a.known, granule >> 6, size(granule & 63))
    if end > a.known_groups:
        a.known_groups = end
    return True


cdef bint raw_backed(ArenaState a, u64 node, u64 n_pages) noexcept nogil:
    """Back the pages of a buffer of this process, as `back_bytes` does; False if there is no room."""
    cdef u64 first = node - FIRST_NODE
    if not a.sparse or are_known_pages(a, first, n_pages):
        return True
    cdef u64 offset = a.data_address - <u64> <size_t> a.base + (first << a.page_bits)
    if not is_part_backed(a, offset, n_pages << a.page_bits):
        return False
    note_pages(a, first, n_pages)
    return True


cdef u64 raw_alloc(ArenaState a, u64 n, u64 n_bytes, int patient, u64 *n_untouched) noexcept nogil:
    """Allocate n pages; the buffer's node, or 0. Dead processes are reaped if there is no room."""
    cdef u64 node, touched, missing, end
    cdef u64 rounds = MOST_ROUNDS_OF_BACKING
    while rounds:
        rounds -= 1
        if raw_enter(a, OP_ALLOC, patient) != DONE:
            return 0
        touched = a.base[A_TOUCHED]
        node = make_buffer(a, n, n_bytes, 1)
        if node == NO_PAGES and empty_magazines(a):
            node = make_buffer(a, n, n_bytes, 1)
        if node == NO_PAGES and a.fault == 0 and reap(a) + expire_tickets(a):
            node = make_buffer(a, n, n_bytes, 1)
        if node == NO_PAGES and a.fault == 0:
            add_count(a, A_FAILURES, 1)
        missing = a.fault_node
        if leave(a) != DONE:
            return 0
        if node >= FIRST_NODE:
            end = node + n
            n_untouched[0] = 0 if end <= touched else end - (touched if touched > node else node)
            return node
        if node != UNBACKED or not back_words_of(a, missing):
            return 0
    return 0


cdef void raw_drop(ArenaState a, u64 node) noexcept nogil:
    """End the hold of a raw buffer; later if the lock is not available now."""
    cdef u64 answer = raw_enter(a, OP_DROP, False)
    if answer == DONE:
        end_hold(a, node)
        leave(a)
    elif answer in (LOCKED, OWN_LOCK, UNLOCKABLE):
        defer(a, node)


cdef u64 raw_node(ArenaState a, void *at) noexcept nogil:
    """The node of the page at an address; 0 if it is not in the arena."""
    cdef u64 offset = <u64> <size_t> at - a.data_address
    return FIRST_NODE + (offset >> a.page_bits) if offset < a.total << a.page_bits else 0


cdef u64 raw_resized(ArenaState a, u64 node, u64 n, u64 n_bytes) noexcept nogil:
    """Resize a raw buffer to n pages in place: DONE, or the reason why not."""
    cdef u64 answer
    cdef u64 missing = 0
    cdef u64 rounds = MOST_ROUNDS_OF_BACKING
    while rounds:
        rounds -= 1
        answer = raw_enter(a, OP_RESIZE, False)
        if answer == DONE:
            # Nothing of this process but numpy sees the buffer if it has no other object for it.
            answer = resize_buffer(a, node, n, n_bytes, True)
            missing = a.fault_node
            if leave(a) != DONE:
                return CORRUPT
        if answer != UNBACKED or not back_words_of(a, missing):
            return answer
    return UNBACKED


cdef int raw_is_attachment(PyObject *thing) noexcept:
    return isinstance(<object> thing, Attachment)


cdef void *raw_take(ArenaState a, u64 n_bytes, int zero, int patient) noexcept nogil:
    cdef u64 n = ((n_bytes - 1) >> a.page_bits) + 1
    cdef u64 n_untouched = 0, node
    cdef u64 used
    cdef void *at
    if n_bytes == 0:
        return NULL
    if n > a.total:
        if raw_enter(a, OP_MEASURE, patient) == DONE:
            add_count(a, A_FAILURES, 1)
            leave(a)
        return NULL
    node = raw_alloc(a, n, n_bytes, patient, &n_untouched)
    if node == 0:
        return NULL
    if not raw_backed(a, node, n):
        raw_drop(a, node)
        return NULL
    at = at_address(address_of_node(a, node))
    if zero:
        # Pages that were never used are zero already, and stay untouched.
        used = (n - n_untouched) << a.page_bits
        memset(at, 0, n_bytes if n_bytes < used else used)
    return at


cdef int raw_resize(ArenaState a, void *at, u64 n_bytes) noexcept nogil:
    cdef u64 node = raw_node(a, at)
    cdef u64 n = ((n_bytes - 1) >> a.page_bits) + 1
    cdef u64 was, answer
    if node == 0 or n_bytes == 0 or n > a.total:
        return False
    was = pages_in(a.records[node])
    answer = raw_resized(a, node, n, n_bytes) if n != was else DONE
    if n <= was:
        # If others see the pages that it would give back, the buffer stays as long as it was.
        return True
    if answer != DONE:
        return False
    if raw_backed(a, node, n):
        return True
    raw_resized(a, node, was, was << a.page_bits)
    return False


cdef u64 raw_readable(ArenaState a, void *at) noexcept nogil:
    cdef u64 node = raw_node(a, at)
    cdef u64 n = pages_in(a.records[node]) if node else 0
    # Another process may have made the buffer longer.
    return n << a.page_bits if n and raw_backed(a, node, n) else 0


cdef int raw_contains(ArenaState a, void *at) noexcept nogil:
    return raw_node(a, at) != 0


cdef int raw_give(ArenaState a, void *at) noexcept nogil:
    cdef u64 node = raw_node(a, at)
    if node:
        raw_drop(a, node)
    return node != 0


cdef void raw_missed(ArenaState a) noexcept nogil:
    count_up(&a.fallbacks)


cdef PyObject *hold_new(
    PyObject *attachment, unsigned long long n_bytes, int backed, void **at) noexcept:
    cdef Attachment a = <Attachment> attachment
    cdef u64 node
    if n_bytes == 0 or n_bytes > a.total << a.page_bits:
        return NULL
    if backed and a.sparse and n_bytes > MOST_BACKED_WITH_GIL:
        return NULL
    try:
        pages = a._pages_at_once(a._n_pages(n_bytes), n_bytes)
    except MemoryError:
        return NULL
    if pages is None:
        return NULL
    node = (<BufferHold> pages).node
    if backed and not raw_backed(a, node, (<BufferHold> pages).n_bytes >> a.page_bits):
        return NULL
    at[0] = at_address(address_of_node(a, node))
    Py_INCREF(pages)
    return <PyObject *> pages


# Whether `_numpy` was imported, or cannot be.
cdef bint SOUGHT_NUMPY = False


cdef int seek_numpy() except -1:
    """Import `_numpy`, once; without it, numpy is asked without C."""
    global SOUGHT_NUMPY
    try:
        # As for arrays that are made without C.
        numpy()
        import_module("pagebuddy._numpy")
    except Exception:
        pass
    SOUGHT_NUMPY = True
    return 0


cdef object quick_array(
    Attachment a, object shape, object dtype, object order, bint zero, bint stored):
    """An array over a new buffer, made by numpy's C API; None if that is not possible at once."""
    cdef PyObject *made
    if RAW_BUFFERS_TABLE.make_array == NULL and not SOUGHT_NUMPY:
        seek_numpy()
    if RAW_BUFFERS_TABLE.make_array == NULL:
        return None
    made = RAW_BUFFERS_TABLE.make_array(
        <PyObject *> a, <PyObject *> shape, <PyObject *> dtype, <PyObject *> order, zero, stored
    )
    if made == NULL:
        return None
    array = <object> made
    # That is one reference more than was given.
    Py_DECREF(array)
    return array


from importlib import import_module

cdef RawTable RAW_BUFFERS_TABLE
RAW_BUFFERS_TABLE.n_bytes = sizeof(RawTable)
RAW_BUFFERS_TABLE.is_attachment = raw_is_attachment
RAW_BUFFERS_TABLE.take = <void *(*)(void *, unsigned long long, int, int) noexcept nogil> raw_take
RAW_BUFFERS_TABLE.resize = <int (*)(void *, void *, unsigned long long) noexcept nogil> raw_resize
RAW_BUFFERS_TABLE.readable = <unsigned long long (*)(void *, void *) noexcept nogil> raw_readable
RAW_BUFFERS_TABLE.contains = <int (*)(void *, void *) noexcept nogil> raw_contains
RAW_BUFFERS_TABLE.give = <int (*)(void *, void *) noexcept nogil> raw_give
RAW_BUFFERS_TABLE.missed = <void (*)(void *) noexcept nogil> raw_missed
RAW_BUFFERS_TABLE.hold_new = hold_new
raw_buffers = PyCapsule_New(&RAW_BUFFERS_TABLE, RAW_TABLE, NULL)
