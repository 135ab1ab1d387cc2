# cython: language_level=3, binding=False, always_allow_keywords=False
# distutils: language=c
"""What needs numpy's C API: numpy's memory in an arena (NEP 49), and new arrays over buffers.

`arena/numpy_memory.py` uses the former, `Attachment.array` the latter. Numpy calls the functions of a
*handler* for the memory of each array that is made while the handler is set, and keeps the handler as long
as the array. They are C, need no GIL, and make no Python objects.
"""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strcpy

include "buffers/raw_table.pxi"

cdef extern from "numpy/arrayobject.h":
    int import_numpy "_import_array"() except -1
    ctypedef struct PyDataMemAllocator:
        void *ctx
        void *(*malloc)(void *ctx, size_t size) noexcept nogil
        void *(*calloc)(void *ctx, size_t nelem, size_t elsize) noexcept nogil
        void *(*realloc)(void *ctx, void *ptr, size_t new_size) noexcept nogil
        void (*free)(void *ctx, void *ptr, size_t size) noexcept nogil
    ctypedef struct PyDataMem_Handler:
        char name[127]
        unsigned char version
        PyDataMemAllocator allocator
    ctypedef Py_ssize_t npy_intp
    ctypedef struct PyArray_Descr:
        int type_num
    PyTypeObject PyArray_Type
    int NPY_DOUBLE
    int NPY_ARRAY_CARRAY
    int NPY_ARRAY_FARRAY
    bint PyArray_DescrCheck(PyObject *thing) noexcept
    PyArray_Descr *PyArray_DescrFromType(int number) noexcept
    int PyArray_DescrConverter(PyObject *thing, PyArray_Descr **found) noexcept
    bint PyTypeNum_ISNUMBER(int number) noexcept
    bint PyTypeNum_ISBOOL(int number) noexcept
    npy_intp PyDataType_ELSIZE(PyArray_Descr *kind) noexcept
    PyObject *PyArray_NewFromDescr(
        PyTypeObject *of, PyArray_Descr *kind, int n, npy_intp *sides, npy_intp *strides, void *at, int flags,
        PyObject *base) noexcept
    ctypedef struct PyArrayObject:
        pass
    int NPY_ARRAY_WRITEABLE
    int NPY_ARRAY_C_CONTIGUOUS
    int NPY_ARRAY_F_CONTIGUOUS
    bint PyArray_Check(PyObject *thing) noexcept
    bint PyArray_CheckExact(PyObject *thing) noexcept
    PyArray_Descr *PyArray_DESCR(PyArrayObject *array) noexcept
    int PyArray_NDIM(PyArrayObject *array) noexcept
    npy_intp *PyArray_DIMS(PyArrayObject *array) noexcept
    npy_intp *PyArray_STRIDES(PyArrayObject *array) noexcept
    void *PyArray_DATA(PyArrayObject *array) noexcept
    int PyArray_FLAGS(PyArrayObject *array) noexcept
    PyObject *PyArray_BASE(PyArrayObject *array) noexcept
    int PyArray_SetBaseObject(PyArrayObject *array, PyObject *base) noexcept
    # The same, but they raise.
    object new_array "PyArray_NewFromDescr"(
        PyTypeObject *of, PyArray_Descr *kind, int n, npy_intp *sides, npy_intp *strides, void *at, int flags,
        PyObject *base)
    int set_base "PyArray_SetBaseObject"(PyArrayObject *array, PyObject *base) except -1
    object PyDataMem_SetHandler(object handler)
    PyObject *PyDataMem_DefaultHandler

cdef extern from *:
    """
    #define PB_MOST_BYTES SIZE_MAX
    """
    # Here a capsule is a pointer: in its destructor, a reference to it must not be counted.
    object PyCapsule_New(void *pointer, const char *name, void (*destructor)(PyObject *) noexcept)
    void *PyCapsule_GetPointer(PyObject *capsule, const char *name) noexcept
    const size_t MOST_BYTES "PB_MOST_BYTES"
    void drop "Py_DECREF"(PyObject *thing) noexcept

# MOST_SIDES is that of numpy 1.
cdef enum:
    MOST_SIDES = 32
    # More zeros are not stored to pages that were never used, which only the Python code knows.
    MOST_ZEROS = 65536

cdef const char *HANDLER = "mem_handler"


cdef struct Memory:
    # First, because numpy's pointer to it is also a pointer to this.
    PyDataMem_Handler handler
    void *attachment
    size_t threshold
    bint strict


# The functions for buffers in arenas, and numpy's own.
cdef RawTable *RAW
cdef PyDataMemAllocator *OWN


cdef void *taken(Memory *m, size_t n, bint zero) noexcept nogil:
    """Memory in the arena; NULL if it is to be numpy's own, which is counted, or if there is none."""
    if n < m.threshold:
        return NULL
    cdef void *at = RAW.take(m.attachment, n, zero, m.strict)
    if at == NULL and not m.strict:
        RAW.missed(m.attachment)
    return at


cdef bint must_be_there(Memory *m, size_t n) noexcept nogil:
    """Whether memory of numpy's own will not do."""
    return m.strict and n >= m.threshold


cdef void *arena_malloc(void *ctx, size_t n) noexcept nogil:
    cdef Memory *m = <Memory *> ctx
    cdef void *at = taken(m, n, False)
    return at if at or must_be_there(m, n) else OWN.malloc(OWN.ctx, n)


cdef void *arena_calloc(void *ctx, size_t n, size_t each) noexcept nogil:
    cdef Memory *m = <Memory *> ctx
    if each and n > MOST_BYTES / each:
        return NULL
    cdef void *at = taken(m, n * each, True)
    return at if at or must_be_there(m, n * each) else OWN.calloc(OWN.ctx, n, each)


cdef void arena_free(void *ctx, void *at, size_t n) noexcept nogil:
    # The address says whose memory it is: numpy may tell another size than it asked for.
    if at == NULL or not RAW.give((<Memory *> ctx).attachment, at):
        OWN.free(OWN.ctx, at, n)


cdef void *moved_in(Memory *m, void *at, size_t n) noexcept nogil:
    """Move numpy's own memory into the arena while it becomes n bytes long."""
    cdef void *new = taken(m, n, False)
    if new == NULL and must_be_there(m, n):
        return NULL
    # Of how many bytes it is, only this function knows.
    cdef void *own = OWN.realloc(OWN.ctx, at, n)
    if new == NULL:
        return own
    if own == NULL:
        RAW.give(m.attachment, new)
        return NULL
    memcpy(new, own, n)
    OWN.free(OWN.ctx, own, n)
    return new


cdef void *arena_realloc(void *ctx, void *at, size_t n) noexcept nogil:
    cdef Memory *m = <Memory *> ctx
    cdef size_t there
    cdef void *new
    if at == NULL:
        return arena_malloc(ctx, n)
    if not RAW.contains(m.attachment, at):
        return moved_in(m, at, n)
    if n == 0:
        n = 1
    if RAW.resize(m.attachment, at, n):
        return at
    there = RAW.readable(m.attachment, at)
    new = arena_malloc(ctx, n) if there else NULL
    if new:
        memcpy(new, at, there if there < n else n)
        RAW.give(m.attachment, at)
    return new


cdef void end_memory(PyObject *capsule) noexcept:
    """End a handler: no array uses it any more."""
    cdef Memory *m = <Memory *> PyCapsule_GetPointer(capsule, HANDLER)
    Py_DECREF(<object> m.attachment)
    free(m)


def new_handler(attachment, size_t threshold, bint strict):
    """Return a handler for numpy's memory in an arena, which keeps the arena attached."""
    if not RAW.is_attachment(<PyObject *> attachment):
        raise TypeError("the arena is not of the compiled engine")
    cdef Memory *m = <Memory *> calloc(1, sizeof(Memory))
    if m == NULL:
        raise MemoryError
    strcpy(m.handler.name, "pagebuddy")
    m.handler.version = 1
    m.handler.allocator.ctx = m
    m.handler.allocator.malloc = arena_malloc
    m.handler.allocator.calloc = arena_calloc
    m.handler.allocator.realloc = arena_realloc
    m.handler.allocator.free = arena_free
    m.attachment = <void *> attachment
    m.threshold = threshold
    m.strict = strict
    Py_INCREF(attachment)
    try:
        return PyCapsule_New(m, HANDLER, end_memory)
    except BaseException:
        Py_DECREF(attachment)
        free(m)
        raise


def set_handler(handler):
    """Let numpy use a handler in this thread and context from now on; return the one before."""
    return PyDataMem_SetHandler(handler)


# -- arrays over new buffers ---------------------------------------------------------------------------

cdef extern from *:
    """
    /* Only arguments for which numpy runs no Python code: an exception of that must not be lost. */
    static int pb_is_plain_dtype(PyObject *thing) {
        if (PyArray_DescrCheck(thing)) return 1;
        if (PyUnicode_CheckExact(thing)) return PyUnicode_GET_LENGTH(thing) <= 3;
        return PyType_Check(thing) && !(((PyTypeObject *)thing)->tp_flags & Py_TPFLAGS_HEAPTYPE); }
    static int pb_is_float(PyObject *thing) { return thing == (PyObject *)&PyFloat_Type; }
    /* "C" or "F", or 0. */
    static int pb_order(PyObject *thing) {
        Py_UCS4 letter;
        if (!PyUnicode_CheckExact(thing) || PyUnicode_GET_LENGTH(thing) != 1) return 0;
        letter = PyUnicode_READ_CHAR(thing, 0);
        return letter == 'C' || letter == 'F' ? (int)letter : 0; }
    /* The sides of a shape that is an int or a tuple of ints, and how many; -1 for anything else. */
    static int pb_sides(PyObject *shape, npy_intp *sides, int most) {
        int is_tuple = PyTuple_CheckExact(shape);
        Py_ssize_t i, n = is_tuple ? PyTuple_GET_SIZE(shape) : 1;
        if (n > most) return -1;
        for (i = 0; i < n; i++) {
            PyObject *side = is_tuple ? PyTuple_GET_ITEM(shape, i) : shape;
            if (!PyLong_CheckExact(side)) return -1;
            sides[i] = PyLong_AsSsize_t(side);
            if (sides[i] < 0) { PyErr_Clear(); return -1; } }
        return (int)n; }
    """
    bint is_plain_dtype "pb_is_plain_dtype"(PyObject *thing) noexcept
    bint is_float "pb_is_float"(PyObject *thing) noexcept
    int order_of "pb_order"(PyObject *thing) noexcept
    int sides_of "pb_sides"(PyObject *shape, npy_intp *sides, int most) noexcept
    void PyErr_Clear() noexcept


cdef PyArray_Descr *plain_dtype(PyObject *dtype) noexcept:
    """The dtype of numbers that an argument means, a new reference; NULL for anything else."""
    cdef PyArray_Descr *kind = NULL
    if is_float(dtype):
        return PyArray_DescrFromType(NPY_DOUBLE)
    if not is_plain_dtype(dtype):
        return NULL
    if not PyArray_DescrConverter(dtype, &kind):
        PyErr_Clear()
        return NULL
    if not PyTypeNum_ISNUMBER(kind.type_num) and not PyTypeNum_ISBOOL(kind.type_num):
        drop(<PyObject *> kind)
        return NULL
    return kind


cdef PyObject *make_array(
    PyObject *a, PyObject *shape, PyObject *dtype, PyObject *order, int zero, int stored) noexcept:
    cdef npy_intp sides[MOST_SIDES]
    cdef int n = sides_of(shape, sides, MOST_SIDES), i
    cdef int letter = order_of(order)
    cdef size_t n_bytes
    cdef PyArray_Descr *kind
    cdef PyObject *held
    cdef PyObject *array
    cdef void *at = NULL
    if n < 0 or letter == 0:
        return NULL
    kind = plain_dtype(dtype)
    if kind == NULL:
        return NULL
    n_bytes = PyDataType_ELSIZE(kind)
    for i in range(n):
        if sides[i] and n_bytes > MOST_BYTES / sides[i]:
            n_bytes = MOST_BYTES
            break
        n_bytes *= sides[i]
    held = NULL
    if not zero or n_bytes <= MOST_ZEROS:
        # An array without items has a page too.
        held = RAW.hold_new(a, n_bytes if n_bytes else 1, zero or stored, &at)
    if held == NULL:
        drop(<PyObject *> kind)
        return NULL
    if zero:
        memset(at, 0, n_bytes)
    # This takes the reference to the dtype.
    array = PyArray_NewFromDescr(
        &PyArray_Type, kind, n, sides, NULL, at,
        NPY_ARRAY_CARRAY if letter == c"C" else NPY_ARRAY_FARRAY, NULL)
    if array == NULL:
        PyErr_Clear()
        drop(held)
        return NULL
    # This takes the reference to the hold.
    if PyArray_SetBaseObject(<PyArrayObject *> array, held) < 0:
        PyErr_Clear()
        drop(array)
        return NULL
    return array


# -- arrays that are sent ----------------------------------------------------------------------------

cdef enum:
    # Of dtypes: the numbers below this are those of numpy 1 as well.
    N_KINDS = 24


# The dtypes of plain numbers, by their own numbers; each with its letter and the bytes of an item.
cdef PyArray_Descr *KINDS[N_KINDS]
cdef unsigned char LETTERS[N_KINDS]
cdef unsigned char ITEM_BYTES[N_KINDS]


cdef int describe(PyObject *thing, RawForm *form) noexcept:
    cdef PyArrayObject *array = <PyArrayObject *> thing
    cdef PyObject *owner
    cdef PyArray_Descr *kind
    cdef int i, flags
    if not PyArray_CheckExact(thing):
        return False
    kind = PyArray_DESCR(array)
    # A dtype of other bytes, or with metadata, is another object.
    if not 0 <= kind.type_num < N_KINDS or KINDS[kind.type_num] != kind:
        return False
    form.n_sides = PyArray_NDIM(array)
    if PyArray_NDIM(array) > MOST_SIDES:
        return False
    form.letter = LETTERS[kind.type_num]
    form.item_bytes = ITEM_BYTES[kind.type_num]
    flags = PyArray_FLAGS(array)
    form.is_writable = flags & NPY_ARRAY_WRITEABLE != 0
    form.is_c = flags & NPY_ARRAY_C_CONTIGUOUS != 0
    form.is_f = flags & NPY_ARRAY_F_CONTIGUOUS != 0
    form.address = <size_t> PyArray_DATA(array)
    for i in range(form.n_sides):
        form.sides[i] = PyArray_DIMS(array)[i]
        form.strides[i] = PyArray_STRIDES(array)[i]
    owner = thing
    while PyArray_Check(owner) and PyArray_BASE(<PyArrayObject *> owner) != NULL:
        owner = PyArray_BASE(<PyArrayObject *> owner)
    form.owner = owner
    return True


cdef object array_at(PyObject *owner, void *first, RawForm *form):
    cdef npy_intp sides[MOST_SIDES]
    cdef npy_intp strides[MOST_SIDES]
    cdef int i, number = 0
    while number < N_KINDS and (
        KINDS[number] == NULL or LETTERS[number] != form.letter or ITEM_BYTES[number] != form.item_bytes
    ):
        number += 1
    if number == N_KINDS:
        raise ValueError(f"no numbers have the letter {chr(form.letter)!r} and {form.item_bytes} bytes")
    for i in range(form.n_sides):
        sides[i] = form.sides[i]
        strides[i] = form.strides[i]
    # This takes the reference to the dtype.
    Py_INCREF(<object> <PyObject *> KINDS[number])
    array = new_array(
        &PyArray_Type, KINDS[number], form.n_sides, sides, strides, first,
        NPY_ARRAY_WRITEABLE if form.is_writable else 0, NULL)
    # This takes the reference to the owner.
    Py_INCREF(<object> owner)
    set_base(<PyArrayObject *> <PyObject *> array, owner)
    return array


def learn_kinds(numpy_dtype):
    """Find the dtypes of plain numbers."""
    cdef int number
    cdef PyArray_Descr *kind
    for number in range(N_KINDS):
        kind = PyArray_DescrFromType(number)
        if kind == NULL:
            PyErr_Clear()
            continue
        dtype = <object> <PyObject *> kind
        # The reference is kept for ever.
        if dtype.kind in "biufc" and numpy_dtype(dtype.str) is dtype:
            KINDS[number] = kind
            LETTERS[number] = ord(dtype.kind)
            ITEM_BYTES[number] = dtype.itemsize


from numpy import dtype as numpy_dtype
from pagebuddy._compiled import raw_buffers

import_numpy()
learn_kinds(numpy_dtype)
RAW = <RawTable *> PyCapsule_GetPointer(<PyObject *> raw_buffers, RAW_TABLE)
if RAW == NULL or RAW.n_bytes != sizeof(RawTable):
    raise ImportError("pagebuddy's extensions are of different builds; install it again")
OWN = &(<PyDataMem_Handler *> PyCapsule_GetPointer(PyDataMem_DefaultHandler, HANDLER)).allocator
RAW.make_array = make_array
RAW.describe = describe
RAW.array_at = array_at
