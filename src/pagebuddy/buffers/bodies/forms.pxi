"""The compiled ArrayForm, and the functions of `_numpy` that know it."""

ctypedef RawForm *ArrayForm


cdef u64 address_of_view(object view):
    return <u64> <size_t> PyMemoryView_GET_BUFFER(view).buf


cdef bint is_described(object thing, ArrayForm f) except -1:
    """Fill in the form of an array of plain numbers; return False for anything else."""
    if RAW_BUFFERS_TABLE.describe == NULL and not SOUGHT_NUMPY and "numpy" in sys.modules:
        seek_numpy()
    if RAW_BUFFERS_TABLE.describe != NULL:
        return RAW_BUFFERS_TABLE.describe(<PyObject *> thing, f)
    f.owner = NULL
    return is_described_slowly(thing, f)


cdef int put_items(Writer w, object thing, ArrayForm f, u64 n_bytes) except -1:
    """Add the items of an array."""
    if f.is_c or f.is_f:
        put(w, at_address(f.address), n_bytes)
    else:
        put_bytes(w, thing.tobytes())
    return 0


cdef object own_pages(ArenaState a, ArrayForm f):
    """Return what holds the pages of an array, if its base says so."""
    if f.owner != NULL and isinstance(<object> f.owner, BufferHold):
        if (<BufferHold> f.owner).attachment is a:
            return <object> f.owner
    return None


cdef object array_at(object owner, u64 first, ArrayForm f):
    """Return an array of that form, whose first item is at that byte of an object."""
    cdef u64 address
    if RAW_BUFFERS_TABLE.array_at == NULL and not SOUGHT_NUMPY:
        seek_numpy()
    if RAW_BUFFERS_TABLE.array_at == NULL:
        return array_slowly(owner, first, f)
    if isinstance(owner, BufferHold):
        address = address_of_node((<BufferHold> owner).attachment, (<BufferHold> owner).node)
        f.is_writable = f.is_writable and not (<BufferHold> owner).attachment.readonly
    elif type(owner) is bytes:
        address = <u64> <size_t> PyBytes_AS_STRING(owner)
    else:
        address = address_of_view(owner)
    return RAW_BUFFERS_TABLE.array_at(<PyObject *> owner, at_address(address + first), f)
