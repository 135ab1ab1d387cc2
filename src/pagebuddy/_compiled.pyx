# cython: language_level=3, binding=False, always_allow_keywords=False
# cython: embedsignature=True, embedsignature.format=clinic
# cython: auto_pickle=False
# distutils: language=c
"""The engine and its public face, compiled: the same files that also run as they are.

This file contains what cannot be written in pure mode: two instructions, the store that cannot tear,
and reading an int without raising. `setup.py` makes the two `words.pxi` of the `words.py` beside them.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.exc cimport PyErr_CheckSignals
from cpython.memoryview cimport PyMemoryView_GET_BUFFER
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF

ctypedef unsigned long long u64
ctypedef long long i64

cdef extern from *:
    """
    #if defined(_MSC_VER)
      #include <intrin.h>
      static __inline unsigned long long pb_ctz(unsigned long long x) {
          unsigned long i; _BitScanForward64(&i, x); return i; }
      static __inline unsigned long long pb_log2(unsigned long long x) {
          unsigned long i; _BitScanReverse64(&i, x); return i; }
      static __inline unsigned long long pb_ones(unsigned long long x) { return __popcnt64(x); }
      static __inline void pb_store(unsigned long long *w, unsigned long long i, unsigned long long v) {
          _ReadWriteBarrier(); ((volatile unsigned long long *)w)[i] = v; _ReadWriteBarrier(); }
      #define pb_opaque(x) (x)
    #else
      static inline unsigned long long pb_ctz(unsigned long long x) { return (unsigned)__builtin_ctzll(x); }
      static inline unsigned long long pb_log2(unsigned long long x) { return 63u ^ (unsigned)__builtin_clzll(x); }
      static inline unsigned long long pb_ones(unsigned long long x) { return (unsigned)__builtin_popcountll(x); }
      static inline void pb_store(unsigned long long *w, unsigned long long i, unsigned long long v) {
          __asm__ __volatile__("" ::: "memory");
          __atomic_store_n(w + i, v, __ATOMIC_RELAXED);
          __asm__ __volatile__("" ::: "memory"); }
      static inline unsigned long long pb_opaque(unsigned long long x) { __asm__("" : "+r"(x)); return x; }
    #endif
    #ifndef PB_CHECKED
      #define PB_CHECKED 1
    #endif
    #if defined(_MSC_VER)
      #define pb_never() __assume(0)
      #define pb_rare(x) (x)
    #else
      #define pb_never() __builtin_unreachable()
      #define pb_rare(x) __builtin_expect(!!(x), 0)
    #endif
    #define pb_wrapped(x) (x)
    #define pb_low(x) ((x) & 0xFFFFFFFFULL)
    /* The value of an int from 0 to 2^63 - 1; -1 for anything else, without an exception. */
    static inline long long pb_small(PyObject *o) {
        int overflow;
        long long v;
        if (!PyLong_CheckExact(o)) return -1;
    #if PY_VERSION_HEX >= 0x030C0000
        if (PyUnstable_Long_IsCompact((PyLongObject *)o))
            return PyUnstable_Long_CompactValue((PyLongObject *)o);
    #else
        if (Py_SIZE(o) == 1) return ((PyLongObject *)o)->ob_digit[0];
    #endif
        v = PyLong_AsLongLongAndOverflow(o, &overflow);
        return overflow || v < 0 ? -1 : v; }
    /* The words of a State without metadata: every operation finds nothing. */
    static unsigned long long pb_nothing[128];
    /* The pages of a group at which a block of order k can start. */
    static const unsigned long long pb_aligned[8] = {
        0xFFFFFFFFFFFFFFFFULL, 0x5555555555555555ULL, 0x1111111111111111ULL, 0x0101010101010101ULL,
        0x0001000100010001ULL, 0x0000000100000001ULL, 1, 0 };
    """
    u64 ctz "pb_ctz"(u64 x) nogil
    u64 log2 "pb_log2"(u64 x) nogil
    u64 ones "pb_ones"(u64 x) nogil
    void store "pb_store"(u64 *words, u64 index, u64 value) nogil
    u64 low "pb_low"(u64 word) nogil
    u64 wrapped "pb_wrapped"(u64 number) nogil
    u64 opaque "pb_opaque"(u64 number) nogil
    bint rare "pb_rare"(bint condition) nogil
    i64 small "pb_small"(object thing)
    const bint CHECKED "PB_CHECKED"
    void never "pb_never"() nogil
    u64 *NOTHING "pb_nothing"
    const u64 *ALIGNED "pb_aligned"

include "core/words.pxi"
include "core/words.py"
include "core/arith.py"
include "core/state.py"


cdef void point_at_nothing(State s) noexcept:
    s.words = s.groups = s.records = s.table = NOTHING


cdef u64 *words_of(object view) noexcept:
    """The address of a memoryview's words. Keep the view as long as the pointer."""
    return <u64 *> PyMemoryView_GET_BUFFER(view).buf


cdef unsigned char *bytes_of(object view) noexcept:
    return <unsigned char *> PyMemoryView_GET_BUFFER(view).buf


include "core/granules.py"
include "core/stripe.py"
include "core/tree.py"
include "core/aside.py"
include "core/search.py"
include "core/spans.py"
include "core/batch.py"
include "core/rebuild.py"
include "core/prove.py"
include "allocator/checks.py"
include "allocator/inspection.py"
include "allocator/buddy.py"


include "sharing/words.pxi"
include "sharing/words.py"
include "sharing/recording/tape.py"
include "sharing/state.py"
include "sharing/system/system.pxi"
include "sharing/system/sharers.pxi"
include "sharing/system/atomic.pxi"
include "sharing/system/futex.pxi"
include "sharing/system/sleepers.py"
include "sharing/system/holes.pxi"
include "sharing/recording/writing.pxi"
include "sharing/system/lock.py"
include "sharing/recording/recording.py"
include "sharing/holding/holds.py"
include "sharing/holding/magazine.py"
include "sharing/holding/directory.py"
include "sharing/recovery/mend_directory.py"
include "sharing/recovery/takeover.py"
include "sharing/holding/shared_slot.py"
include "sharing/operations/enter.py"
include "sharing/holding/notes.py"
include "sharing/holding/reaping.py"
include "sharing/request.pxi"
include "sharing/request.py"
include "sharing/operations/buffers.py"
include "sharing/recovery/proof.py"
include "sharing/holding/tickets.py"
include "sharing/holding/references.py"
include "sharing/forking/fork.py"
include "sharing/operations/dispatch.py"
include "buffers/pages.py"
include "buffers/pages.pxi"
include "buffers/arrays.py"
include "buffers/buffer.py"
include "buffers/buffer.pxi"
include "buffers/access.py"
include "buffers/attachment.py"
include "buffers/segments.py"
include "buffers/source.py"
include "buffers/source.pxi"
include "buffers/raw_table.pxi"
include "buffers/raw.pxi"
include "buffers/bodies/words.pxi"
include "buffers/bodies/writing.py"
include "buffers/bodies/writing.pxi"
include "buffers/bodies/reading.py"
include "buffers/bodies/reading.pxi"
include "buffers/bodies/body.py"
include "buffers/bodies/forms.pxi"
include "buffers/bodies/forms.py"
include "buffers/bodies/packing.py"
include "buffers/bodies/unpacking.py"
include "buffers/bodies/frame.py"
include "buffers/unclaimed.py"
include "messages/ring.py"
include "messages/rows.py"
include "messages/cells.py"
include "messages/cells.pxi"
include "messages/subscriptions.py"
include "messages/changes.py"
include "messages/waiting.py"
include "messages/transfers.py"
include "messages/sending.py"
include "messages/receiving.py"
include "messages/channel.py"
include "messages/progress.py"


# -- calls without options -------------------------------------------------------------------------
#
# Parsing keyword arguments costs 3 ns a call, as much as the engine needs for an `alloc` and a `free`. So
# a function of ours runs before Cython's code for `alloc(n)` and `free(page)`. It does what can be done
# at once; everything else, errors included, is left to the method as written.

cdef extern from *:
    """
    typedef PyObject *(*pb_call)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);
    static pb_call pb_alloc_written, pb_free_written;
    static PyObject *pb_alloc_plain(PyObject *self, PyObject *n);
    static int pb_free_plain(PyObject *self, PyObject *page);

    static PyObject *pb_alloc(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
        PyObject *page = n == 1 && !names ? pb_alloc_plain(self, args[0]) : NULL;
        return page ? page : pb_alloc_written(self, args, n, names); }

    static PyObject *pb_free(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) {
        if (n == 1 && !names && pb_free_plain(self, args[0])) Py_RETURN_NONE;
        return pb_free_written(self, args, n, names); }

    /* Make a method call another function first. The method object stays the same. */
    static void pb_put_before(PyTypeObject *type, const char *name, pb_call call, pb_call *written) {
        PyMethodDef *def = pb_method_of(type, name);
        if (def && def->ml_flags == (METH_FASTCALL | METH_KEYWORDS)) {
            *written = (pb_call)(void (*)(void))def->ml_meth;
            def->ml_meth = (PyCFunction)(void (*)(void))call; } }

    #define pb_put_all_before(type) do { \
        pb_put_before((PyTypeObject *)(type), "alloc", pb_alloc, &pb_alloc_written); \
        pb_put_before((PyTypeObject *)(type), "free", pb_free, &pb_free_written); } while (0)
    """
    void put_all_before "pb_put_all_before"(object type)


# `self` is a borrowed reference here: counting it up and down for each call of the engine would take
# measurable time, and so would asking whether it is None.

cdef PyObject *alloc_plain "pb_alloc_plain"(PyObject *self, PyObject *n) noexcept:
    return alloc_at_once(<BuddyAllocator> self, small(<object> n))


@cython.exceptval(check=False)
@cython.cfunc
def alloc_at_once(self: BuddyAllocator, n: i64) -> cython.pointer(PyObject):
    """Allocate n pages if n > 0 and they are available at once; a reference to their page, or NULL."""
    if n <= 0 or n > <i64> self.total:
        return NULL
    node: u64 = take(self, n)
    if node == 0 or self.fault:
        return NULL
    commit(self, node, n)
    page: u64 = page_of(self, node)
    if page != self.last_page or self.last_number is None:
        # The same page is often allocated again and again: make its int object once.
        self.last_page = page
        self.last_number = page
    Py_INCREF(self.last_number)
    return <PyObject *> self.last_number


cdef bint free_plain "pb_free_plain"(PyObject *self, PyObject *page) noexcept:
    return free_at_once(<BuddyAllocator> self, small(<object> page))


@cython.exceptval(check=False)
@cython.cfunc
def free_at_once(self: BuddyAllocator, page: i64) -> cython.bint:
    """Free the live span that starts at a page; False if there is none, or at a fault."""
    node: u64 = node_of(self, page) if page >= 0 else 0
    if node == 0 or not is_live(self.records[node]):
        return False
    give(self, node)
    return self.fault == 0


put_all_before(BuddyAllocator)


# -- signatures ------------------------------------------------------------------------------------

# The text that the types below point to.
cdef list DOCSTRINGS = []


cdef void show_signature(kind):
    """Put the parameters of a class before its docstring, where `inspect.signature` and help() look.

    Cython does that for methods, and for `__init__` if it has a docstring, but not for the class itself.
    """
    parameters = kind.__init__.__text_signature__.replace("$self, ", "", 1)
    DOCSTRINGS.append(f"{kind.__name__}{parameters}\n--\n\n{kind.__doc__}".encode())
    (<PyTypeObject *> kind).tp_doc = DOCSTRINGS[-1]


show_signature(BuddyAllocator)


cdef class _Bench:
    """For benchmarks: calls that do nothing, and a loop in C."""

    def nothing(self, n, *, above=None, below=None, align=None):
        return n

    def plain(self, n, /):
        return n

    def pairs(self, BuddyAllocator buddy, u64 n, u64 count):
        """Allocate n pages and free them, count times."""
        cdef u64 node
        while count:
            node = take(buddy, n)
            if node == 0 or buddy.fault:
                raise MemoryError
            commit(buddy, node, n)
            node = node_of(buddy, page_of(buddy, node))
            if node == 0 or not is_live(buddy.records[node]):
                raise MemoryError
            give(buddy, node)
            count -= 1
