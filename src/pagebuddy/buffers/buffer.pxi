"""What a buffer asks of its pages in C."""

cdef extern from *:
    """
    static inline Py_ssize_t pb_references(PyObject *thing) { return Py_REFCNT(thing); }
    """
    Py_ssize_t references "pb_references"(PyObject *thing)


cdef inline Py_ssize_t references_to_pages(Buffer buffer) noexcept:
    """How many refer to a buffer's pages; to ask by a reference would count that as well."""
    return references(<PyObject *> buffer.pages)
