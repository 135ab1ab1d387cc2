"""The reference count of a buffer's pages."""

cdef extern from *:
    """
    static inline Py_ssize_t pb_references(PyObject *thing) { return Py_REFCNT(thing); }
    """
    Py_ssize_t references "pb_references"(PyObject *thing)


cdef inline Py_ssize_t references_to_pages(Buffer buffer) noexcept:
    """Return how many references a buffer's pages have; passing them as an object would add one."""
    return references(<PyObject *> buffer.pages)
