"""Makes the rows of a list as C does: an arena may have a million buffers."""

cdef extern from *:
    object new_object "PyType_GenericAlloc"(PyTypeObject *kind, Py_ssize_t n_items)
    void untrack "PyObject_GC_UnTrack"(object thing)
    int set_attribute "PyObject_GenericSetAttr"(object thing, object name, object value) except -1


cdef object new_row(
    object kind, object offset, object n_pages, object nbytes, object kept, object key,
    object holders, object tickets, object kept_at, object what):
    """Make a `BufferRow`. Its `__init__` would take longer than all the rest."""
    row = new_object(<PyTypeObject *> kind, 0)
    set_attribute(row, "offset", offset)
    set_attribute(row, "n_pages", n_pages)
    set_attribute(row, "nbytes", nbytes)
    set_attribute(row, "kept", kept)
    set_attribute(row, "key", key)
    set_attribute(row, "holders", holders)
    set_attribute(row, "tickets", tickets)
    set_attribute(row, "kept_at", kept_at)
    set_attribute(row, "kind", what)
    # It cannot be part of a cycle, and the garbage collector would visit a million of them again and again.
    untrack(row)
    return row
