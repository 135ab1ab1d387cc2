"""Pages and their exports, as C makes them."""


cdef int fill_buffer(Py_buffer *view, object owner, u64 address, u64 n_bytes, int flags) except -1:
    """Export bytes in the name of their owner, which alone the consumer is sure to keep."""
    return PyBuffer_FillInfo(view, owner, at_address(address), n_bytes, 0, flags)


cdef inline object new_pages(Attachment a, u64 n):
    """Pages without a hold yet: made before the arena's lock is taken."""
    cdef Pages pages = Pages.__new__(Pages)
    pages.attachment = a
    pages.n_bytes = n << a.page_bits
    return pages


cdef inline object filled(Attachment a, object pages, u64 node, u64 n, u64 asked):
    """The same, with a hold on the pages at a node."""
    (<Pages> pages).node = node
    (<Pages> pages).asked = asked
    return pages


cdef void tell_asked(object pages, u64 asked) noexcept:
    (<Pages> pages).asked = asked


cdef u64 bytes_of_pages(object pages) noexcept:
    return (<Pages> pages).n_bytes


cdef u64 asked_of(object pages) noexcept:
    return (<Pages> pages).asked


cdef void extend(object pages, u64 n_bytes) noexcept:
    (<Pages> pages).n_bytes = n_bytes


cdef u64 node_of_pages(Attachment a, object pages) noexcept:
    """The node of pages of this arena; 0 for anything else."""
    if isinstance(pages, Pages) and (<Pages> pages).attachment is a:
        return (<Pages> pages).node
    return 0


cdef int handle_signals() except -1:
    return PyErr_CheckSignals()


cdef void zero_out(object view) except *:
    """Store zero in all bytes, other threads running meanwhile."""
    cdef Py_buffer *buffer = PyMemoryView_GET_BUFFER(view)
    cdef void *start = buffer.buf
    cdef size_t n_bytes = buffer.len
    with nogil:
        memset(start, 0, n_bytes)


cdef void detach(Attachment a) noexcept:
    """Free the slot, and let go of the lease and the lock; the memory goes with its last view."""
    cdef u64 answer
    cdef Request request = Request.__new__(Request)
    delist(<void *> a)
    cdef u64 n_bytes = a.data_address - <u64> <size_t> a.base + (a.total << a.page_bits)
    if a.slot and a.fd >= 0 and not is_cut(a.fd, a.device, a.inode, n_bytes):
        answer = attempt(a, request, OP_DETACH, 0)
        if answer == LOCKED:
            # Where a stopped process has the lock the slot is left to be reaped.
            with nogil:
                attempt(a, request, OP_DETACH, PATIENCE)
    let_go(at_address(a.lease_address), a.lease_bytes, a.lock_fd)
    while next_deferred(a):
        pass
    free(a.gate)
    a.gate = NULL


cdef bint take_own_lease(Attachment a, u64 slot) noexcept:
    """Take the lease of a free slot, no fork coming between."""
    a.lease_address = attached_lease(a.fd, slot, &a.lease_bytes)
    return a.lease_address != 0


cdef void drop_own_lease(Attachment a) noexcept:
    let_go(at_address(a.lease_address), a.lease_bytes, -1)
    a.lease_address = a.lease_bytes = 0


cdef bint mind_forks(Attachment a, u64 high, u64 low_) noexcept:
    """From now on, forks see this attachment, until `detach`."""
    return enlist(<void *> a, high, low_)


begin_presence()
handle_forks(<on_attachment> prepare_fork, <on_attachment> resume_parent, <on_attachment> begin_child)
