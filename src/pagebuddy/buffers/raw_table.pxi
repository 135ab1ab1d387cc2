"""The functions that `_compiled` and `_numpy` have for each other: both extensions include this."""

cdef extern from *:
    """
    typedef struct {
        unsigned long long n_bytes;  /* of this table: that of another version may have another size */
        /* Whether a Python object is an attachment, which all others get as `a`. Needs the GIL. */
        int (*is_attachment)(PyObject *thing);
        /* The address of a new buffer, or NULL. A patient call waits for the lock even after waits in vain. */
        void *(*take)(void *a, unsigned long long n_bytes, int zero, int patient);
        /* Change the size in place: whether the buffer has at least so many bytes now. */
        int (*resize)(void *a, void *at, unsigned long long n_bytes);
        /* The bytes that can be read there; 0 if they cannot. */
        unsigned long long (*readable)(void *a, void *at);
        /* Whether an address is in the arena. */
        int (*contains)(void *a, void *at);
        /* End the hold; 0 if the address is not in the arena. */
        int (*give)(void *a, void *at);
        /* Count an allocation that was made elsewhere. */
        void (*missed)(void *a);
        /* An object that holds a new buffer, and its address; NULL if this needs waiting, or if its bytes
           are to be backed and cannot be. Needs the GIL. */
        PyObject *(*hold_new)(PyObject *a, unsigned long long n_bytes, int backed, void **at);
        /* From `_numpy`, or NULL: an array over such a buffer; NULL, without an exception, for arguments
           that need more care, and if there is no buffer at once. Needs the GIL. */
        PyObject *(*make_array)(
            PyObject *a, PyObject *shape, PyObject *dtype, PyObject *order, int zero, int stored);
    } pb_raw_table;
    """
    ctypedef struct RawTable "pb_raw_table":
        unsigned long long n_bytes
        int (*is_attachment)(PyObject *thing) noexcept
        void *(*take)(void *a, unsigned long long n_bytes, int zero, int patient) noexcept nogil
        int (*resize)(void *a, void *at, unsigned long long n_bytes) noexcept nogil
        unsigned long long (*readable)(void *a, void *at) noexcept nogil
        int (*contains)(void *a, void *at) noexcept nogil
        int (*give)(void *a, void *at) noexcept nogil
        void (*missed)(void *a) noexcept nogil
        PyObject *(*hold_new)(
            PyObject *a, unsigned long long n_bytes, int backed, void **at) noexcept
        PyObject *(*make_array)(
            PyObject *a, PyObject *shape, PyObject *dtype, PyObject *order, int zero, int stored) noexcept

cdef const char *RAW_TABLE = "pagebuddy._compiled.raw_buffers"
