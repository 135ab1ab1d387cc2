"""The functions that `_compiled` and `_numpy` have for each other: both extensions include this."""

cdef extern from *:
    """
    /* What the bytes of an array or a view mean, and where they are: see `bodies/forms.py`. */
    typedef struct {
        unsigned long long address;
        PyObject *owner;
        unsigned char letter, item_bytes, is_writable, is_c, is_f, n_sides;
        long long sides[32], strides[32];
    } pb_form;
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
        /* From `_numpy`, or NULL: fill in the form of an array of plain numbers, with a borrowed reference
           to the object that owns its memory; 0, without an exception, for anything else. */
        int (*describe)(PyObject *thing, pb_form *form);
        /* From `_numpy`, or NULL: an array of that form over memory of an owner, in which all of it must
           lie; raises ValueError if there are no such numbers. */
        PyObject *(*array_at)(PyObject *owner, void *first, pb_form *form);
    } pb_raw_table;
    """
    ctypedef struct RawForm "pb_form":
        unsigned long long address
        PyObject *owner
        unsigned char letter
        unsigned char item_bytes
        unsigned char is_writable
        unsigned char is_c
        unsigned char is_f
        unsigned char n_sides
        long long sides[32]
        long long strides[32]
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
        int (*describe)(PyObject *thing, RawForm *form) noexcept
        object (*array_at)(PyObject *owner, void *first, RawForm *form)

cdef const char *RAW_TABLE = "pagebuddy._compiled.raw_buffers"
