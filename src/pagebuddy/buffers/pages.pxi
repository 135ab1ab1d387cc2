"""The compiled BufferHold, and exports of its bytes."""


cdef extern from *:
    """
    /* Python code cannot make such an object: it would lack what its methods rely on. */
    static PyObject *pb_not_made(PyTypeObject *type, PyObject *args, PyObject *names) {
        (void)args; (void)names;
        PyErr_Format(PyExc_TypeError, "a %s is made by an arena: call arena.alloc(nbytes)",
                     strrchr(type->tp_name, '.') ? strrchr(type->tp_name, '.') + 1 : type->tp_name);
        return NULL; }
    #define pb_made_by_arenas(type) do { \
        ((PyTypeObject *)(type))->tp_new = pb_not_made; \
        ((PyTypeObject *)(type))->tp_vectorcall = NULL; } while (0)
    """
    void made_by_arenas "pb_made_by_arenas"(object type)


cdef int fill_buffer(
    ArenaState a, Py_buffer *view, object owner, u64 address, u64 n_bytes, int flags
) except -1:
    """Export bytes; the consumer keeps their owner alive, and nothing else for certain."""
    return PyBuffer_FillInfo(view, owner, at_address(address), n_bytes, a.readonly, flags)


cdef inline object new_pages(ArenaState a, u64 n):
    """Return a BufferHold without a hold yet: it is made before the arena's lock is taken."""
    cdef BufferHold pages = BufferHold.__new__(BufferHold)
    pages.attachment = a
    pages.n_bytes = n << a.page_bits
    return pages


cdef inline object filled(ArenaState a, object pages, u64 node, u64 n, u64 asked):
    """Give a BufferHold the hold on the pages at a node; return it."""
    (<BufferHold> pages).node = node
    (<BufferHold> pages).asked = asked
    return pages


cdef void tell_asked(object pages, u64 asked) noexcept:
    (<BufferHold> pages).asked = asked


cdef u64 bytes_of_pages(object pages) noexcept:
    return (<BufferHold> pages).n_bytes


cdef u64 asked_of(object pages) noexcept:
    return (<BufferHold> pages).asked


cdef void extend(object pages, u64 n_bytes) noexcept:
    (<BufferHold> pages).n_bytes = n_bytes


cdef u64 node_of_pages(ArenaState a, object pages) noexcept:
    """Return the node of a BufferHold of this arena; 0 for anything else."""
    if isinstance(pages, BufferHold) and (<BufferHold> pages).attachment is a:
        return (<BufferHold> pages).node
    return 0


cdef int handle_signals() except -1:
    return PyErr_CheckSignals()


cdef void zero_out(object view) except *:
    """Fill a view with zeros while other threads run."""
    cdef Py_buffer *buffer = PyMemoryView_GET_BUFFER(view)
    cdef void *start = buffer.buf
    cdef size_t n_bytes = buffer.len
    with nogil:
        memset(start, 0, n_bytes)


cdef void detach(ArenaState a) noexcept:
    """Free the slot, and end the lease and the lock; the mapping ends with its last view."""
    cdef u64 answer
    cdef Request request = Request.__new__(Request)
    delist(<void *> a)
    cdef u64 n_bytes = a.data_address - <u64> <size_t> a.base + (a.total << a.page_bits)
    if a.slot and a.fd >= 0 and not is_cut(a.fd, a.device, a.inode, n_bytes):
        answer = run_operation(a, request, OP_DETACH, 0)
        if answer == LOCKED and not a.deferred:
            # If a stopped process has the lock, the slot remains to be reaped.
            with nogil:
                run_operation(a, request, OP_DETACH, LOCK_PATIENCE_MS)
    end_tally(a)
    # The number of the lock's descriptor may refer to another file of the program's.
    let_go(at_address(a.lease_address), a.lease_bytes, a.lock_fd if locks_the_arena(a) else -1)
    while next_deferred(a):
        pass
    free(a.gate)
    a.gate = NULL


cdef int take_own_lease(ArenaState a, u64 slot) except -1:
    """Take the lease of a free slot, without a fork in between; 0 if a process has it."""
    a.lease_address = attached_lease(a.fd, slot, &a.lease_bytes)
    if a.lease_address:
        return 1
    failed = a.lease_bytes
    a.lease_bytes = 0
    if failed:
        raise OSError(failed, os.strerror(failed))
    return 0


cdef void drop_own_lease(ArenaState a) noexcept:
    let_go(at_address(a.lease_address), a.lease_bytes, -1)
    a.lease_address = a.lease_bytes = 0


cdef bint mind_forks(ArenaState a, u64 high, u64 low_) noexcept:
    """Let forks see this attachment from now on, until `detach`."""
    return enlist(<void *> a, high, low_)


begin_presence()
handle_forks(<on_attachment> prepare_fork, <on_attachment> resume_parent, <on_attachment> begin_child)
made_by_arenas(BufferHold)
made_by_arenas(Buffer)
